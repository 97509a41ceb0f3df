// A join token is a stranger's text: any bytes parse or are refused, and what parses survives being written again.
#include <cstddef>
#include <cstdint>

#include "actors/registration/token.hpp"
#include "basis/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto first = registration::parse_token(text);
  if (!first.ok()) return 0;
  CHECK_THAT(first->is_bootstrap() ? !first->bootstrap_secret.empty() : !first->password.empty());
  CHECK_THAT(first->ca_digest.empty() || first->ca_digest.size() == 64);
  const auto written = registration::render_token(*first);
  if (written.reveal().size() > registration::token_bytes_max) return 0;
  const auto again = registration::parse_token(written.reveal());
  CHECK_THAT(again.ok());
  CHECK_THAT(again->ca_digest == first->ca_digest && again->user == first->user && again->password == first->password &&
             again->bootstrap_id == first->bootstrap_id && again->bootstrap_secret == first->bootstrap_secret);
  return 0;
}
