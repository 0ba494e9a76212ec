-- Run once, when the volume is empty. Each service has a database of its own, and a role that reaches no other.
\set auth `cat /run/passwords/auth.password`
\set app `cat /run/passwords/app.password`
CREATE ROLE auth LOGIN PASSWORD :'auth';
CREATE ROLE app LOGIN PASSWORD :'app';
CREATE DATABASE auth OWNER auth;
CREATE DATABASE app OWNER app;
REVOKE CONNECT ON DATABASE auth, app FROM PUBLIC;
