// Encryption of small data under a password, in the form in which K3s keeps its bootstrap data:
// "<salt, 16 hex digits>:<base64 of nonce, ciphertext and tag>"; the key is PBKDF2-HMAC-SHA1 of the password and the
// salt's text, 4096 rounds, 32 bytes; the cipher is AES-256-GCM with a nonce of 12 bytes. Pure; any thread; about 3 ms.
#pragma once
#include <string>
#include <string_view>

#include "basis/result.hpp"
#include "basis/secret.hpp"

namespace troupe::net::tls {

inline constexpr std::size_t sealing_salt_bytes = 8, sealing_nonce_bytes = 12;

/// `salt` and `nonce` must be fresh randomness of those sizes; `invalid` for an empty password: that would be no secret.
result<std::string> seal(const secret_text& password, std::string_view plain, std::string_view salt, std::string_view nonce);
/// `untrusted` when the password is another one (or the text was altered: nobody can tell), `invalid` when it is no
/// sealed text at all.
result<std::string> unseal(const secret_text& password, std::string_view sealed);

}  // namespace troupe::net::tls
