// Any bytes, cut anywhere: the parser must neither crash nor loop, and what it makes of them must
// not depend on where they were cut.
#include <cstdlib>
#include <string>

#include "net/http/parser.hpp"

using namespace troupe::net;

namespace {

/// All that the parser reports of `data`, fed in pieces of `step`.
std::string story(http::parser_side side, std::string_view data, std::size_t step) {
  http::parser parser(side, 4096);
  std::string out;
  std::string waiting;
  for (std::size_t at = 0; at <= data.size(); at += step) {
    std::string_view piece = data.substr(at, step);
    for (;;) {
      const auto got = parser.feed(piece);
      if (got.consumed > piece.size()) std::abort();
      piece.remove_prefix(got.consumed);
      if (got.what == http::parsed::event::head) {
        out += "H" + parser.method() + " " + parser.target() + std::to_string(parser.status());
        for (const auto& [name, value] : parser.headers().all()) out += "|" + name + "=" + value;
      }
      if (got.what == http::parsed::event::body) out.append(got.data);
      if (got.what == http::parsed::event::complete) out += "E";
      if (got.what == http::parsed::event::failed) return out + "F" + std::to_string(parser.status());
      if (got.what == http::parsed::event::more) break;
    }
    if (!piece.empty()) std::abort();  // `more` means that all was taken.
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* raw, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(raw), size);
  for (const auto side : {http::parser_side::requests, http::parser_side::responses}) {
    const auto whole = story(side, data, data.size() + 1);
    if (story(side, data, 1) != whole || story(side, data, 7) != whole) std::abort();
  }
  http::parse_query(data);
  if (const auto text = http::percent_decode(data); text && *http::percent_decode(http::percent_encode(*text)) != *text) std::abort();
  return 0;
}
