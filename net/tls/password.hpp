// K3s's password hash as text: "$1:<salt hex>:<log2 N>:<r>:<p>:<base64 without padding>".
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "basis/result.hpp"

namespace troupe::net::tls {

struct password_hash {
  std::string salt, key;                ///< Raw bytes.
  unsigned log2_n = 15, r = 8, p = 1;
};
/// Reads the text form; invalid when it is not one, or asks for more than 1 GiB or 16 passes.
result<password_hash> read_password_hash(std::string_view text);
std::string write_password_hash(const password_hash& hash);

}  // namespace troupe::net::tls
