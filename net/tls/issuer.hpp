// Keys, requests, certificates and digests. A port, because a crypto library's randomness cannot be
// seeded: the simulated twin writes symbolic certificates (readable text inside PEM armour).
// Stateless; any thread. Formats: k3s-compatible, EC P-256, "EC PRIVATE KEY" PEM blocks.
#pragma once
#include <string>
#include <vector>

#include "basis/clock.hpp"
#include "basis/secret.hpp"
#include "net/tls/tls.hpp"

namespace troupe::net::tls {

enum class usage : std::uint8_t { client, server, both };

struct leaf_request {
  std::string common_name = {};
  std::vector<std::string> organizations = {};   ///< A set: the order is not kept.
  std::vector<std::string> dns_names = {};
  std::vector<std::string> addresses = {};    ///< IP SANs, literal.
  usage use = usage::client;
  std::string public_key = {};           ///< PEM ("PUBLIC KEY"), from public_key_of or read_request.
};

/// What a certificate says; of the first certificate in a bundle.
struct certificate_facts {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names;
  std::vector<std::string> addresses;
  std::string serial;                    ///< Hexadecimal, lower case.
  wall_time not_before{}, not_after{};
  std::string public_key;                ///< PEM.
};

/// A public key as JSON Web Keys say it (RFC 7517, 7518), and what signatures of its private half are called.
struct web_key {
  std::string algorithm;                 ///< "ES256" or "RS256".
  std::vector<std::pair<std::string, std::string>> members;   ///< kty, crv, x, y or kty, n, e.
};

class issuer {
 public:
  virtual ~issuer() = default;
  /// A fresh EC P-256 key as PEM.
  virtual secret_text make_key() = 0;
  virtual result<std::string> public_key_of(const secret_text& key) = 0;
  /// A PKCS#10 request in DER with an empty subject, as K3s agents send it.
  virtual result<std::string> make_request(const secret_text& key) = 0;
  /// The public key of a PKCS#10 request in DER; its subject is ignored.
  virtual result<std::string> read_request(std::string_view der) = 0;
  /// A self-signed CA: serial 0, CA:TRUE, keyEncipherment+digitalSignature+keyCertSign, subject key id.
  virtual result<identity> make_ca(const std::string& common_name, wall_time now, duration validity) = 0;
  /// A leaf signed by `ca`, notBefore one hour before `now` (never before the CA's own), random 63-bit serial,
  /// authority key id. The answer is the leaf's PEM followed by the CA's bundle.
  virtual result<std::string> sign(const leaf_request& leaf, const identity& ca, wall_time now, duration validity) = 0;
  virtual result<certificate_facts> read(std::string_view pem) = 0;
  /// True when the first certificate of `pem` was signed by a certificate of `ca_bundle`.
  virtual bool is_signed_by(std::string_view pem, std::string_view ca_bundle) = 0;
  /// Lower-case hex of the cluster's CA digest: SHA-256 of the file when it holds one certificate, of the root's DER
  /// when it holds a chain (K3s's rule for tokens).
  virtual std::string ca_digest(std::string_view pem) = 0;
  virtual std::string sha256(std::string_view data) = 0;   ///< 32 raw bytes.
  /// K3s's password hash, "$1:<salt hex>:15:8:1:<base64 without padding>" (scrypt). Slow on purpose (139 ms).
  virtual std::string hash_password(std::string_view password, std::string_view salt8) = 0;
  /// Signs as JSON Web Signatures are (RFC 7518): ES256 with a P-256 key, RS256 with an RSA one. Raw bytes.
  virtual result<std::string> sign_text(const secret_text& key, std::string_view text) = 0;
  /// True when the private half of `public_key` (PEM) signed `text` so.
  virtual bool verify_text(std::string_view public_key, std::string_view text, std::string_view signature) = 0;
  virtual result<web_key> describe_key(std::string_view public_key) = 0;
  /// Checks against a stored hash with the parameters written in it; invalid when it cannot be read. Slow too.
  virtual result<bool> verify_password(std::string_view password, std::string_view stored) = 0;
};

inline constexpr duration ca_validity = std::chrono::hours(24 * 365 * 10);
inline constexpr duration backdate = std::chrono::hours(1);   ///< Certificates begin so long before their issue, for clocks that are behind.
inline constexpr duration leaf_validity = std::chrono::hours(24 * 365);

}  // namespace troupe::net::tls
