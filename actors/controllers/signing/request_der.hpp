// What a PKCS#10 request asks for: its subject and names. Pure; whether it is signed by its own key is the issuer's to check.
//
// Formats: RFC 2986 (PKCS#10), RFC 5280 (names, subjectAltName), X.690 (DER).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "basis/result.hpp"

namespace troupe::controllers {

struct asked_names {
  std::string common_name;
  std::vector<std::string> organizations, dns_names, addresses;
  bool others = false;                 ///< E-mail addresses, URIs or other names beside those.
};
/// `invalid`: it is no request.
result<asked_names> read_names(std::string_view der);
/// The DER in a PEM block "CERTIFICATE REQUEST"; `invalid` when there is none.
result<std::string> request_in(const std::string& pem);

}  // namespace troupe::controllers
