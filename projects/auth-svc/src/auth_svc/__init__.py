"""AuthService: the OAuth 2.1 and OpenID Connect authorization server. The door sign, by address:

    /token                                      token/              the pipeline, refresh, client credentials
                                                code_flow/grant     … authorization code
                                                device_flow/grant   … device code
                                                backchannel_flow/grant … a backchannel request
                                                exchange/           … a token for another one
                                                jwt_bearer/         … another issuer's word for a token
    /authorize  /par  /consent                  code_flow/
    /device_authorization  /device              device_flow/
    /backchannel_authentication  /requests      backchannel_flow/
    /client_registration                        registration/
    /introspect                                 introspection
    /revoke                                     revocation/
    /userinfo                                   userinfo
    /jwks                                       keys/ (published by discovery)
    /.well-known/oauth-authorization-server     discovery
    /.well-known/openid-configuration           discovery, both for issuers with a path too
    /  /signin                                  signin/
    /register                                   accounts/ (where people may register)
    /global-token-revocation                    logout/everywhere
    /admin/revocations, /admin/status           admin/
    /ssf/…  /.well-known/ssf-configuration      signals/
    /admin/webhooks…                            webhooks
    /signout  /logout                           logout/
    /consents                                   consents
    /health  /ready                             health
    /metrics                                    metrics
    /openapi.json                               openapi/

What has no address: `clients/` and `users/` (who asks), `resources/` (what for), `subjects/` (about whom), `proofs/`
(with which key), `grants/` (what a person allowed, and its refresh tokens), `relying_parties/` (who is told that a
sign-in is over), `approvals/` (what the flows end with: a person's yes, redeemed once), `bus_admission/` (who may
connect to NATS with which token), `deliveries/` (messages to clients that must arrive), `seed/`, `housekeeping` (with
its `sweepers`), `commands` (the operator's), `settings`, and `app`, where all of it is put together.
"""
