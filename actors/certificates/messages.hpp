// The signer issues what policy allows, and nothing else.
#pragma once
#include <string>
#include <vector>

#include "actors/runtime/handle.hpp"
#include "basis/ids.hpp"
#include "net/tls/tls.hpp"

namespace troupe::certificates {

/// What an agent may ask for: the four certificates of K3s.
enum class purpose : std::uint8_t { kubelet_serving, kubelet_client, kube_proxy, k3s_controller };
/// registrar, supervisor -> signer. Answers the leaf and its CA bundle in PEM; invalid when the
/// request cannot be read. Its subject is ignored: only the public key counts.
struct sign_certificate {
  purpose what = purpose::kubelet_client;
  node_name node;                        ///< For the two kubelet certificates.
  std::vector<std::string> addresses;    ///< Serving: further IP SANs, literal.
  std::string request_der;
};
struct issued_certificate { std::string pem; };
/// renewer -> whoever shows this server's client certificate: show this one from the next connection on.
struct identity_renewed { net::tls::identity self; };
using shower_actor = rt::handle<void(identity_renewed)>;
using signer_actor = rt::handle<issued_certificate(sign_certificate)>;

}  // namespace troupe::certificates

RT_MESSAGE(troupe::certificates::sign_certificate)
RT_MESSAGE(troupe::certificates::issued_certificate)
RT_MESSAGE(troupe::certificates::identity_renewed)
