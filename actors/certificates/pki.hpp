// The server's certificate authorities and its own leafs: K3s's file names below <server>/tls, made
// when missing, renewed at half of their life or when they no longer fit. Blocking file work of a few
// milliseconds, done while a server starts and once an hour.
#pragma once
#include <string>
#include <vector>

#include "actors/runtime/world.hpp"

namespace troupe::certificates {

struct pki_config {
  std::string folder;                     ///< <data>/server/tls
  std::vector<std::string> dns_names;     ///< Server SANs, beyond the fixed ones.
  std::vector<std::string> addresses;
  std::string cluster_domain = "cluster.local";
  duration life = net::tls::leaf_validity;             ///< Of leafs; they are renewed when less than half of it is left.
};

struct pki {
  net::tls::identity client_ca, server_ca, request_header_ca;
  net::tls::identity serving;             ///< Port 6443.
  net::tls::identity admin;               ///< system:admin of system:masters, for the kubeconfig.
  secret_text service_key;                ///< Signs tokens of service accounts: service.key, one private key or more in PEM; the first signs.
  net::tls::identity kubelet_client;      ///< system:apiserver: how the API shows itself to kubelets.
};

/// Fails with forbidden or internal (a file cannot be written; the note names it), or corrupt (a CA's
/// key does not fit its certificate).
result<pki> load_or_make(const rt::world& in, const pki_config& config);

/// What an embedded etcd needs, below <server>/tls/etcd: server-ca, peer-ca, server-client, peer-server-client, client.
struct etcd_pki {
  std::string server_ca;
  net::tls::identity client;              ///< How this server shows itself to any member.
};
/// `addresses` are this server's own. Members compare a peer's certificate with the address that a connection comes from,
/// which on one machine is 127.0.0.1, so loopback is always among them. What members show lives for `life` and is renewed as
/// all leafs are: etcd reads the files at each handshake. The client's lives as long as an authority: a process shows it until
/// it ends, and who may read its key may read the authority's, which lies beside it. Fails as load_or_make does.
result<etcd_pki> load_or_make_etcd(const rt::world& in, const std::string& folder, const std::vector<std::string>& addresses,
                                   const std::string& node, duration life);

}  // namespace troupe::certificates
