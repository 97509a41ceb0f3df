// The Secret that holds a node's password hash, as K3s keeps it: name "<node>.node-password.k3s" in
// kube-system, type k3s.cattle.io/node-password, immutable, one key "hash". Pure.
#pragma once
#include <string>

#include "basis/bytes.hpp"
#include "basis/ids.hpp"
#include "basis/json.hpp"

namespace troupe::node_password {

inline std::string secret_name(const node_name& node) { return node.text + ".node-password.k3s"; }
inline std::string secret_path(const node_name& node) {
  return "/api/v1/namespaces/kube-system/secrets/" + secret_name(node);
}
inline std::string secret_body(const node_name& node, const std::string& hash) {
  return to_text({{"apiVersion", "v1"}, {"kind", "Secret"}, {"type", "k3s.cattle.io/node-password"}, {"immutable", true},
                  {"metadata", {{"name", secret_name(node)}, {"namespace", "kube-system"}}},
                  {"data", {{"hash", to_base64(hash)}}}});
}
/// The stored hash; corrupt when the Secret has none that can be read.
inline result<std::string> read_hash(const std::string& body) {
  const auto object = parse_json(body);
  std::string hash;
  if (!object.ok() || !from_base64(text_or(dig(*object, "data", "hash")), hash) || hash.empty())
    return fail(errc::corrupt, "the node password Secret has no readable hash");
  return hash;
}

}  // namespace troupe::node_password
