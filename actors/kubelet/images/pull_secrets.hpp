// With which logins an image is pulled: those of the pod's imagePullSecrets that are meant for its registry. Pure.
//
// Source of the rules: upstream's credential provider (pkg/credentialprovider/{config,keyring}.go).
#pragma once
#include "actors/kubelet/pod/sources.hpp"
#include "net/cri/values.hpp"

namespace troupe::kubelet {

struct pull_logins {
  std::vector<net::cri::registry_login> logins;   ///< To be tried in this order; empty: pulled as nobody.
  std::vector<std::string> missing;               ///< Secrets that are not there, or cannot be read as such.
};
pull_logins logins_for(const std::string& image, const json& pod, const pod_sources& from);
/// "registry.example.com:5000/team/app" without tag and digest; of a short name the public registry's.
std::string repository_of(const std::string& image);

}  // namespace troupe::kubelet
