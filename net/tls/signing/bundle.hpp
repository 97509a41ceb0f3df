// Several certificates in one PEM text: what they are one by one, in which order they are shown, and which of them a join token
// names. Pure but for the issuer it is handed; any thread.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "net/tls/issuer.hpp"

namespace troupe::net::tls {

/// Each "CERTIFICATE" block of a PEM text in order, armour and final line break included; what lies between is left out.
std::vector<std::string> certificates_of(std::string_view pem);
/// Each private key of a PEM text in order, whatever its kind.
std::vector<secret_text> keys_of(const secret_text& pem);

/// Whether `one` was signed by a certificate of `goals`, or by one of `through` of which the same is true, and so on; a
/// certificate that is itself among `goals` needs nobody.
bool leads_to(issuer& with, const std::string& one, const std::vector<std::string>& through, const std::vector<std::string>& goals);

/// The certificate of `bundle` whose digest is `digest`, by either of K3s's two ways of making one (of the PEM text, or of the
/// DER in it); empty when there is none. It says only that the bundle holds it: whoever shows the bundle proves that it is of that
/// authority by a connection that is verified with this certificate alone.
std::string pinned_certificate(issuer& with, std::string_view bundle, std::string_view digest);

inline constexpr std::size_t bundle_certificates_max = 16;

}  // namespace troupe::net::tls
