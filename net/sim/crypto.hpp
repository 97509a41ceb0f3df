// Symbolic cryptography for simulations: certificates anybody can read, signatures nobody can make
// without the secret. A key is a drawn secret; its public half is a hash of it; a signature is a
// hash of the secret and the text. The key book, one per simulated network, checks signatures on
// behalf of those who know the public half only. Internal to net/sim.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "basis/json.hpp"
#include "basis/rng.hpp"
#include "net/tls/issuer.hpp"
#include "net/tls/tls.hpp"

namespace troupe::net::sim {

class key_book {
 public:
  /// Enters a secret; the answer is its public half.
  std::string enter(const std::string& secret);
  static std::string sign(const std::string& secret, std::string_view text);
  /// True when `signature` was made of `text` by the owner of `public_half`.
  bool verify(const std::string& public_half, std::string_view text, const std::string& signature) const;

 private:
  std::map<std::string, std::string> secrets_;   ///< By public half.
};

std::string digest(std::string_view data);                                    ///< SHA-256, raw.
std::string armoured(std::string_view label, const json& content);
/// The contents of all blocks with this label; empty when one cannot be read.
std::vector<json> blocks(std::string_view pem, std::string_view label);

/// Text of a certificate that its signature covers.
std::string signed_part(json certificate);
/// Why `chain` (leaf first) does not prove what it should to one who trusts `anchors`; nothing when it does.
std::optional<std::string> distrust(const key_book& keys, const std::vector<json>& chain, const std::vector<json>& anchors,
                                    wall_time now, std::string_view use, std::string_view name);

std::unique_ptr<tls::provider> make_symbolic_provider(key_book& keys, const wall_clock& wall, entropy& chance);
std::unique_ptr<tls::issuer> make_symbolic_issuer(key_book& keys, entropy& chance);

}  // namespace troupe::net::sim
