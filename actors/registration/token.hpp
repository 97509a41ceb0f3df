// The join token in its four spellings (K3s's): with or without the CA's digest, with user and
// password or with a bootstrap token. Pure; reads what strangers send.
#pragma once
#include <string>
#include <string_view>

#include "basis/result.hpp"
#include "basis/secret.hpp"

namespace troupe::registration {

inline constexpr std::size_t token_bytes_max = 16 * 1024;

struct token {
  std::string ca_digest;      ///< 64 hex digits, or empty: the CA is not pinned.
  std::string user;           ///< May be empty.
  secret_text password;       ///< Empty for a bootstrap token.
  std::string bootstrap_id;   ///< Six characters, or empty.
  secret_text bootstrap_secret;
  bool is_bootstrap() const { return !bootstrap_id.empty(); }
};

/// `invalid` says which part is wrong and never repeats the text.
result<token> parse_token(std::string_view text);
/// "K10<digest>::user:password" or "K10<digest>::id.secret".
secret_text render_token(const token& what);
/// [a-z0-9]{6}.[a-z0-9]{16}
bool is_bootstrap_token(std::string_view text) noexcept;

}  // namespace troupe::registration
