#include "actors/tunnel/authorizer.hpp"

#include <algorithm>
#include <charconv>

#include "basis/bytes.hpp"

namespace troupe::tunnel {
namespace {

std::optional<std::uint32_t> ipv4(std::string_view text) {
  std::uint32_t out = 0;
  for (int part = 0; part < 4; ++part) {
    unsigned one = 256;
    const auto [at, bad] = std::from_chars(text.data(), text.data() + text.size(), one);
    if (bad != std::errc() || one > 255) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(at - text.data()));
    out = out << 8 | one;
    if (part < 3) {
      if (text.empty() || text[0] != '.') return std::nullopt;
      text.remove_prefix(1);
    }
  }
  if (!text.empty()) return std::nullopt;
  return out;
}

}  // namespace

network parse_network(std::string_view cidr) {
  network out;
  const auto slash = cidr.find('/');
  if (slash == std::string_view::npos) return out;
  const auto base = ipv4(cidr.substr(0, slash));
  const auto bits_text = cidr.substr(slash + 1);
  unsigned bits = 33;
  const auto [at, bad] = std::from_chars(bits_text.data(), bits_text.data() + bits_text.size(), bits);
  if (!base || bad != std::errc() || at != bits_text.data() + bits_text.size() || bits > 32) return out;
  out.mask = bits == 0 ? 0 : ~0u << (32 - bits);
  out.base = *base & out.mask;
  out.good = true;
  return out;
}

network network_of(const json& range) {
  std::string mask;
  if (!from_base64(text_or(dig(range, "Mask")), mask) || mask.size() != 4) return {};
  int bits = 0;
  for (const char c : mask)
    for (int i = 7; i >= 0; --i) bits += (static_cast<unsigned char>(c) >> i) & 1;
  return parse_network(text_or(dig(range, "IP")) + "/" + std::to_string(bits));
}

bool network::contains(std::string_view address) const {
  const auto one = ipv4(address);
  return good && one && (*one & mask) == base;
}

bool dial_rules::is_own(const std::string& host) const {
  return std::find(own_addresses.begin(), own_addresses.end(), host) != own_addresses.end();
}

std::optional<endpoint> dial_rules::allow(std::string_view protocol, std::string_view address) const {
  if (protocol != "tcp") return std::nullopt;
  auto at = parse_endpoint(address);
  if (!at.ok() || !is_ip_address(at->host)) return std::nullopt;
  if (at->host == "127.0.0.1" || at->host == "::1") {
    if (at->port == kubelet_port) return kubelet;
    if (at->port == stream_port) return *at;
    return std::nullopt;
  }
  const bool own = is_own(at->host);
  if (!cluster.empty() && (own || std::any_of(cluster.begin(), cluster.end(), [&](const network& n) { return n.contains(at->host); }))) return *at;
  if (!by_pod) return std::nullopt;
  for (const auto& [key, pod] : pods_)
    if (own ? pod.host_ports.contains(at->port) : pod.addresses.contains(at->host)) return *at;
  return std::nullopt;
}

void dial_rules::set_pod(const std::string& key, const json& pod) {
  const auto &spec = dig(pod, "spec"), &status = dig(pod, "status");
  const auto phase = text_or(dig(status, "phase"));
  if (phase == "Succeeded" || phase == "Failed") return drop_pod(key);
  pod_entry out;
  if (const auto& host = dig(spec, "hostNetwork"); host.is_boolean() && host.get<bool>()) {
    const auto& containers = dig(spec, "containers");
    if (containers.is_array())
      for (const auto& c : containers) {
        const auto& ports = dig(c, "ports");
        if (!ports.is_array()) continue;
        for (const auto& p : ports) {
          const auto protocol = text_or(dig(p, "protocol"));
          const auto& number = dig(p, "containerPort");
          if ((protocol.empty() || protocol == "TCP") && number.is_number_unsigned() && number.get<std::uint64_t>() <= 65535)
            out.host_ports.insert(number.get<std::uint16_t>());
        }
      }
  } else {
    out.addresses.insert(text_or(dig(status, "podIP")));
    const auto& all = dig(status, "podIPs");
    if (all.is_array())
      for (const auto& one : all) out.addresses.insert(text_or(dig(one, "ip")));
    out.addresses.erase("");
  }
  pods_[key] = std::move(out);
}

void dial_rules::drop_pod(const std::string& key) { pods_.erase(key); }

}  // namespace troupe::tunnel
