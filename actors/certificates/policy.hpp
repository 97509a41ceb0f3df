// Which leaf a purpose comes to: K3s's names and usages. Pure.
#pragma once
#include "actors/certificates/messages.hpp"
#include "net/tls/issuer.hpp"

namespace troupe::certificates {

inline net::tls::leaf_request leaf_for(const sign_certificate& ask, std::string public_key) {
  net::tls::leaf_request leaf;
  leaf.public_key = std::move(public_key);
  switch (ask.what) {
    case purpose::kubelet_serving:
      leaf.common_name = ask.node.text;
      leaf.use = net::tls::usage::server;
      leaf.dns_names = {ask.node.text, "localhost"};
      leaf.addresses = {"127.0.0.1", "::1"};
      leaf.addresses.insert(leaf.addresses.end(), ask.addresses.begin(), ask.addresses.end());
      break;
    case purpose::kubelet_client:
      leaf.common_name = "system:node:" + ask.node.text;
      leaf.organizations = {"system:nodes"};
      break;
    case purpose::kube_proxy: leaf.common_name = "system:kube-proxy"; break;
    case purpose::k3s_controller: leaf.common_name = "system:k3s-controller"; break;
  }
  return leaf;
}

}  // namespace troupe::certificates
