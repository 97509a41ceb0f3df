// Other authorities for a cluster that has some: which files that is about, and whether what is offered can follow what there is.
// Pure but for the issuer it is handed.
#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "basis/clock.hpp"
#include "basis/result.hpp"
#include "net/tls/issuer.hpp"

namespace troupe::certificates {

/// Text by path below <data>/server: "tls/server-ca.crt". It holds private keys.
using authority_files = std::map<std::string, std::string>;

/// "tls/server-ca", "tls/etcd/peer-ca" ...: each has a .crt, a bundle whose first certificate signs, and its .key.
std::span<const std::string_view> authorities() noexcept;
/// Signs tokens of service accounts; may hold several keys, of which the first signs.
inline constexpr const char* service_key_path = "tls/service.key";

/// The files of `offered` that differ from `present`, when a cluster that has those can go over to them one server after
/// the other: each certificate can sign, has its key and lasts beyond `now`; it leads to the authority that it replaces, so that who
/// trusts that one trusts what it signs (K3s's rule); none of the cluster's kinds is missing; and service.key still holds the
/// key that signs now. `force` passes over the last three, for a cluster that is stopped and started as a whole. Fails with
/// `invalid` and a sentence that names the file; never with a word of a key.
result<authority_files> judge_replacement(net::tls::issuer& with, wall_time now, const authority_files& present, const authority_files& offered, bool force);

}  // namespace troupe::certificates
