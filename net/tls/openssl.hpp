// TLS and certificates made real by OpenSSL 3. The provider's contexts may be shared by all
// shards; a session lives on the shard it was made on and holds no buffer while it is idle.
#pragma once
#include <memory>

#include "net/tls/issuer.hpp"
#include "net/tls/tls.hpp"

namespace troupe::net::tls {

enum class version : std::uint8_t { tls12, tls13 };

struct provider_options {
  version lowest = version::tls12;
  version highest = version::tls13;
};

std::unique_ptr<provider> make_openssl_provider(provider_options with = {});
/// Any thread; serial numbers and keys come from OpenSSL's own generator.
std::unique_ptr<issuer> make_openssl_issuer();

}  // namespace troupe::net::tls
