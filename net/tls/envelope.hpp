// Values encrypted at rest, in the form in which Kubernetes' aescbc provider stores them:
// "k8s:enc:aescbc:v1:<key's name>:", then 16 bytes of IV, then AES-256-CBC with PKCS#7 padding. CBC keeps a text secret; it
// does not prove that nobody altered it. Pure; any thread may hold one.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "basis/result.hpp"
#include "basis/secret.hpp"

namespace troupe::net::tls {

inline constexpr std::size_t envelope_key_bytes = 32, envelope_iv_bytes = 16;

struct named_key {
  std::string name;
  secret_text key;    ///< Raw, envelope_key_bytes of them.
};

/// Some keys: the first one encrypts (unless what is written stays plain), all of them decrypt, and what is not encrypted is
/// read as it is.
class envelope {
 public:
  /// Each key must have its size, and without a key `writes_plain` must hold: that is checked, not answered.
  envelope(std::vector<named_key> keys, bool writes_plain);

  /// True when close() leaves its text as it is.
  bool writes_plain() const noexcept { return plain_; }
  /// True when both store a text in the same way.
  bool writes_as(const envelope& other) const;
  /// `iv` must be fresh randomness of envelope_iv_bytes.
  std::string close(std::string_view plain, std::string_view iv) const;

  struct opened {
    std::string plain;
    bool current = false;      ///< Stored as close() would store it: under the first key, or plain.
    bool was_plain = false;
  };
  /// `untrusted` when it is under a key that is not among these, or does not decrypt under the one that it names. Altered
  /// text may also come out as other plain text: whoever reads it checks that it makes sense.
  result<opened> open(std::string_view stored) const;

 private:
  std::vector<named_key> keys_;
  bool plain_;
};

}  // namespace troupe::net::tls
