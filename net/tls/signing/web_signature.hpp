// Signatures of JSON Web Signatures (RFC 7518, 3.3 and 3.4): of P-256 keys r and s side by side, of RSA keys PKCS#1 v1.5; both
// over SHA-256. Inside net/tls only.
#pragma once
#include "net/tls/handles.hpp"
#include "net/tls/issuer.hpp"

namespace troupe::net::tls {

/// `unsupported` for other keys.
result<std::string> sign_web(EVP_PKEY* key, std::string_view text);
bool verify_web(EVP_PKEY* key, std::string_view text, std::string_view signature);
result<web_key> describe_web(EVP_PKEY* key);

}  // namespace troupe::net::tls
