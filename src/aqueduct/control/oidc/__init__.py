"""OpenID Connect: people sign in at issuers that the config names. The protocol is Authlib's and joserfc's."""
