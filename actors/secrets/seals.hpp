// What servers keep in the datastore for each other alone is sealed under their authority's key. When that is replaced there are,
// for a while, servers that live by the new one and servers that live by the old one: each reads what the other has sealed.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "basis/secret.hpp"
#include "net/tls/sealing.hpp"

namespace troupe::secrets {

/// A seal that is not this server's own: of the authority that it had before, or of one that it will have.
struct other_seal { secret_text what; bool former = false; };
/// Reads them; blocks for files. Asked only for what the own one does not open.
using other_seals = std::function<std::vector<other_seal>()>;

struct opened_record {
  std::string text;
  bool by_former = false;   ///< To be sealed anew.
};
/// `untrusted` when no seal opens it, `invalid` when it is nothing sealed.
inline result<opened_record> open_record(const secret_text& own, const other_seals& others, std::string_view sealed) {
  auto plain = net::tls::unseal(own, sealed);
  if (plain.ok()) return opened_record{std::move(*plain), false};
  if (plain.code() != errc::untrusted || !others) return plain.why();
  for (const auto& one : others())
    if (auto by = net::tls::unseal(one.what, sealed); by.ok()) return opened_record{std::move(*by), one.former};
  return plain.why();
}

}  // namespace troupe::secrets
