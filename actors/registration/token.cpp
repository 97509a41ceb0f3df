#include "actors/registration/token.hpp"

namespace troupe::registration {

bool is_bootstrap_token(std::string_view text) noexcept {
  if (text.size() != 23 || text[6] != '.') return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i != 6 && !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
  }
  return true;
}

result<token> parse_token(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  if (text.empty()) return fail(errc::invalid, "token must not be empty");
  if (text.size() > token_bytes_max) return fail(errc::invalid, "the token is longer than any token is");
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x21 || c == 0x7f)
      return fail(errc::invalid, "invalid token format: it contains a blank or a control character");
  std::string normal(text);
  if (!text.starts_with("K10")) normal = (is_bootstrap_token(text) ? "K10::" : "K10:::") + normal;
  std::string_view rest = std::string_view(normal).substr(3);
  token out;
  if (const auto cut = rest.find("::"); cut != std::string_view::npos) {
    const auto digest = rest.substr(0, cut);
    if (!digest.empty() && digest.size() != 64) return fail(errc::invalid, "invalid token CA hash length");
    for (const char c : digest)
      if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
        return fail(errc::invalid, "invalid token CA hash: it must be 64 hexadecimal digits");
    out.ca_digest = std::string(digest);
    rest = rest.substr(cut + 2);
  }
  if (is_bootstrap_token(rest)) {
    out.bootstrap_id = std::string(rest.substr(0, 6));
    out.bootstrap_secret = secret_text(std::string(rest.substr(7)));
    return out;
  }
  const auto colon = rest.find(':');
  if (colon == std::string_view::npos || colon + 1 == rest.size())
    return fail(errc::invalid, "invalid token format: expected K10<CA hash>::<user>:<password>");
  out.user = std::string(rest.substr(0, colon));
  out.password = secret_text(std::string(rest.substr(colon + 1)));
  return out;
}

secret_text render_token(const token& what) {
  std::string out = "K10" + what.ca_digest + "::";
  if (what.is_bootstrap()) out.append(what.bootstrap_id).append(".").append(what.bootstrap_secret.reveal());
  else out.append(what.user).append(":").append(what.password.reveal());
  return secret_text(std::move(out));
}

}  // namespace troupe::registration
