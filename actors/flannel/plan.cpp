#include "actors/flannel/plan.hpp"

#include "basis/ids.hpp"

namespace troupe::flannel {
namespace {

constexpr const char* backend_type = "flannel.alpha.coreos.com/backend-type";
constexpr const char* backend_data = "flannel.alpha.coreos.com/backend-data";
constexpr const char* public_ip = "flannel.alpha.coreos.com/public-ip";
constexpr const char* public_ip_overwrite = "flannel.alpha.coreos.com/public-ip-overwrite";
constexpr const char* by_kubernetes = "flannel.alpha.coreos.com/kube-subnet-manager";

bool is_ipv4(const std::string& text) { return is_ip_address(text) && text.find(':') == std::string::npos; }
bool is_mac(const std::string& text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < 17; ++i)
    if (i % 3 == 2 ? text[i] != ':' : std::string_view("0123456789abcdefABCDEF").find(text[i]) == std::string_view::npos) return false;
  return true;
}
bool is_cidr(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos || !is_ipv4(text.substr(0, slash))) return false;
  const auto bits = text.substr(slash + 1);
  return !bits.empty() && bits.size() <= 2 && bits.find_first_not_of("0123456789") == std::string::npos && std::stoi(bits) >= 1 && std::stoi(bits) <= 32;
}

}  // namespace

std::optional<backend> parse_backend(std::string_view text) {
  for (const auto one : {backend::vxlan, backend::host_gw, backend::none})
    if (text == to_string(one)) return one;
  return std::nullopt;
}
std::string_view to_string(backend of) { return of == backend::vxlan ? "vxlan" : of == backend::host_gw ? "host-gw" : "none"; }

peer peer_of(const json& node) {
  peer out;
  const auto& notes = dig(node, "metadata", "annotations");
  out.pod_cidr = text_or(dig(node, "spec", "podCIDR"));
  if (text_or(dig(notes, by_kubernetes)) != "true") return out;
  out.backend = text_or(dig(notes, backend_type));
  out.address = text_or(dig(notes, public_ip_overwrite), text_or(dig(notes, public_ip)));
  if (const auto data = parse_json(text_or(dig(notes, backend_data))); data.ok()) out.mac = text_or(dig(*data, "VtepMAC"));
  return out;
}

bool is_usable(const peer& one, backend with) {
  return one.backend == to_string(with) && is_cidr(one.pod_cidr) && is_ipv4(one.address) && (with != backend::vxlan || is_mac(one.mac));
}

std::string mac_for(std::string_view node) {
  std::uint64_t h = 1469598103934665603ull;
  for (const unsigned char c : node) h = (h ^ c) * 1099511628211ull;
  h ^= h >> 29;
  std::string out = "02";
  for (int i = 0; i < 5; ++i, h >>= 8) {
    out.push_back(':');
    out.push_back("0123456789abcdef"[h >> 4 & 15]);
    out.push_back("0123456789abcdef"[h & 15]);
  }
  return out;
}

std::string base_of(const std::string& cidr) { return cidr.substr(0, cidr.find('/')); }

json annotations_patch(const json& node, backend with, const std::string& address, const std::string& mac) {
  const std::string data = with == backend::vxlan ? to_text({{"VNI", vxlan_vni}, {"VtepMAC", mac}}) : "null";
  const json wanted{{backend_type, std::string(to_string(with))}, {backend_data, data}, {public_ip, address}, {by_kubernetes, "true"}};
  const auto& present = dig(node, "metadata", "annotations");
  for (const auto& [key, value] : wanted.items())
    if (dig(present, key) != value) return {{"metadata", {{"annotations", wanted}}}};
  return nullptr;
}

overlay wanted(backend with, const std::string& self, const std::map<std::string, peer>& peers, const std::string& link) {
  overlay out;
  if (with == backend::none) return out;
  for (const auto& [name, one] : peers) {
    if (name == self || !is_usable(one, with) || one.address.starts_with("127.")) continue;
    if (with == backend::host_gw) {
      out.routes.insert({one.pod_cidr, one.address, link, false});
      continue;
    }
    const auto end = base_of(one.pod_cidr);
    out.routes.insert({one.pod_cidr, end, link, true});
    out.neighbours.insert({end, one.mac, link});
    out.forwardings.insert({one.mac, one.address, link});
  }
  return out;
}

std::string conflist(const std::string& pod_cidr, unsigned mtu, const std::string& state_folder) {
  const json bridge{{"type", "bridge"}, {"bridge", "cni0"}, {"isGateway", true}, {"isDefaultGateway", true}, {"forceAddress", true}, {"ipMasq", false}, {"hairpinMode", true}, {"mtu", mtu},
                    {"ipam", {{"type", "host-local"}, {"dataDir", state_folder}, {"ranges", json::array({json::array({{{"subnet", pod_cidr}}})})}}}};
  const json ports{{"type", "portmap"}, {"capabilities", {{"portMappings", true}}}};
  return json{{"cniVersion", "0.4.0"}, {"name", "cbr0"}, {"plugins", json::array({bridge, ports})}}.dump(2) + "\n";
}

}  // namespace troupe::flannel
