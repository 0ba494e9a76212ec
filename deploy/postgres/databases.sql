-- Run once, when the volume is empty. Each service has a database of its own.
CREATE DATABASE auth;
CREATE DATABASE app;
