#include "actors/kubelet/pod/sources.hpp"

#include <algorithm>

#include "actors/model/quantity.hpp"
#include "basis/bytes.hpp"

namespace troupe::kubelet {
namespace {

void add(std::set<std::string>& to, const json& name) {
  if (name.is_string() && !name.get_ref<const std::string&>().empty()) to.insert(name.get<std::string>());
}

void needs_of_volume(const json& volume, pod_needs& out) {
  add(out.config_maps, dig(volume, "configMap", "name"));
  add(out.secrets, dig(volume, "secret", "secretName"));
  for (const auto& source : dig(volume, "projected", "sources")) {
    add(out.config_maps, dig(source, "configMap", "name"));
    add(out.secrets, dig(source, "secret", "name"));
    const auto& token = dig(source, "serviceAccountToken");
    if (!token.is_object()) continue;
    const auto& life = dig(token, "expirationSeconds");
    out.tokens.push_back({text_or(dig(volume, "name")), text_or(dig(token, "path")), text_or(dig(token, "audience")),
                          life.is_number_integer() ? life.get<std::int64_t>() : 3600});
  }
}

void set(variables& in, const std::string& name, std::string value) {
  for (auto& [key, present] : in)
    if (key == name) return void(present = std::move(value));
  in.emplace_back(name, std::move(value));
}

std::string shouted(std::string text) {
  for (auto& c : text) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

/// NAME_SERVICE_HOST and its fellows, with the variables that Docker's links once had.
void add_service(const json& service, variables& out) {
  const auto address = text_or(dig(service, "spec", "clusterIP"));
  const auto& ports = dig(service, "spec", "ports");
  if (address.empty() || address == "None" || !ports.is_array() || ports.empty()) return;
  const auto name = shouted(text_or(dig(service, "metadata", "name")));
  const auto number = [](const json& port) { return dig(port, "port").is_number_integer() ? std::to_string(dig(port, "port").get<int>()) : "0"; };
  set(out, name + "_SERVICE_HOST", address);
  set(out, name + "_SERVICE_PORT", number(ports.front()));
  for (const auto& port : ports)
    if (const auto called = text_or(dig(port, "name")); !called.empty()) set(out, name + "_SERVICE_PORT_" + shouted(called), number(port));
  bool first = true;
  for (const auto& port : ports) {
    auto protocol = text_or(dig(port, "protocol"), "TCP");
    auto lower = protocol;
    for (auto& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto whole = lower + "://" + address + ":" + number(port);
    if (std::exchange(first, false)) set(out, name + "_PORT", whole);
    const auto prefix = name + "_PORT_" + number(port) + "_" + protocol;
    set(out, prefix, whole);
    set(out, prefix + "_PROTO", lower);
    set(out, prefix + "_PORT", number(port));
    set(out, prefix + "_ADDR", address);
  }
}

bool is_optional(const json& of) { return dig(of, "optional") == json(true); }

result<void> add_from(const json& source, const std::string& ns, const pod_sources& from, variables& out) {
  const bool secret = dig(source, "secretRef").is_object();
  const auto& ref = secret ? dig(source, "secretRef") : dig(source, "configMapRef");
  const auto name = text_or(dig(ref, "name"));
  const auto& all = secret ? from.secrets : from.config_maps;
  const auto found = all.find(name);
  if (found == all.end()) {
    if (is_optional(ref)) return {};
    return fail(errc::invalid, std::string(secret ? "secret" : "configmap") + " \"" + name + "\" not found");
  }
  (void)ns;
  const auto prefix = text_or(dig(source, "prefix"));
  for (const auto& [key, value] : dig(found->second, "data").items()) {
    std::string text;
    if (value_of(found->second, key, text)) set(out, prefix + key, std::move(text));
  }
  return {};
}

result<std::string> value_from(const json& pod, const json& container, const json& source, const pod_sources& from, bool& skip) {
  if (const auto& field = dig(source, "fieldRef"); field.is_object()) return field_of(pod, text_or(dig(field, "fieldPath")), from);
  if (const auto& resource = dig(source, "resourceFieldRef"); resource.is_object()) {
    const auto whose = text_or(dig(resource, "containerName"));
    for (const char* list : {"containers", "initContainers"})
      for (const auto& c : dig(pod, "spec", list))
        if (!whose.empty() && text_or(dig(c, "name")) == whose) return resource_of(c, text_or(dig(resource, "resource")), dig(resource, "divisor"), from);
    return resource_of(container, text_or(dig(resource, "resource")), dig(resource, "divisor"), from);
  }
  const bool secret = dig(source, "secretKeyRef").is_object();
  const auto& ref = secret ? dig(source, "secretKeyRef") : dig(source, "configMapKeyRef");
  const auto name = text_or(dig(ref, "name")), key = text_or(dig(ref, "key"));
  const auto& all = secret ? from.secrets : from.config_maps;
  const auto found = all.find(name);
  std::string out;
  if (found != all.end() && value_of(found->second, key, out)) return out;
  if (is_optional(ref)) return skip = true, out;
  if (found == all.end()) return fail(errc::invalid, std::string(secret ? "secret" : "configmap") + " \"" + name + "\" not found");
  return fail(errc::invalid, "couldn't find key " + key + " in " + (secret ? "Secret " : "ConfigMap ") + text_or(dig(pod, "metadata", "namespace")) + "/" + name);
}

}  // namespace

pod_needs needs_of(const json& pod) {
  pod_needs out;
  for (const auto& volume : dig(pod, "spec", "volumes")) needs_of_volume(volume, out);
  for (const char* list : {"containers", "initContainers", "ephemeralContainers"})
    for (const auto& c : dig(pod, "spec", list)) {
      for (const auto& source : dig(c, "envFrom")) {
        add(out.config_maps, dig(source, "configMapRef", "name"));
        add(out.secrets, dig(source, "secretRef", "name"));
      }
      for (const auto& one : dig(c, "env")) {
        add(out.config_maps, dig(one, "valueFrom", "configMapKeyRef", "name"));
        add(out.secrets, dig(one, "valueFrom", "secretKeyRef", "name"));
      }
    }
  for (const auto& pull : dig(pod, "spec", "imagePullSecrets")) add(out.secrets, dig(pull, "name"));
  out.services = dig(pod, "spec", "enableServiceLinks") != json(false);
  return out;
}

void token_shelf::keep(const token_need& what, const json& granted, std::uint64_t chance, wall_time now) {
  constexpr auto kept_max = std::chrono::hours(24);
  const auto from = parse_rfc3339(text_or(dig(granted, "metadata", "creationTimestamp"))), to = parse_rfc3339(text_or(dig(granted, "status", "expirationTimestamp")));
  const auto life = from.ok() && to.ok() && *to > *from ? std::chrono::duration_cast<duration>(*to - *from) : duration(std::chrono::seconds(what.seconds));
  const auto most = std::min<duration>(life / 5 * 4, kept_max);
  all_[what] = {text_or(dig(granted, "status", "token")), now, now + most - most / 8 * static_cast<std::int64_t>(chance % 16) / 16};
}

std::map<token_need, std::string> token_shelf::good(wall_time now) const {
  std::map<token_need, std::string> out;
  for (const auto& [what, one] : all_)
    if (now >= one.since && now < one.due) out[what] = one.text;   // a clock that was set back says nothing of what is good
  return out;
}

bool value_of(const json& object, const std::string& key, std::string& out) {
  const auto& plain = dig(object, "data", key);
  const bool secret = text_or(dig(object, "kind")) == "Secret" || dig(object, "type").is_string();
  if (plain.is_string() && !secret) return out = plain.get<std::string>(), true;
  const auto& packed = secret ? plain : dig(object, "binaryData", key);
  return packed.is_string() && from_base64(packed.get<std::string>(), out);
}

result<std::string> field_of(const json& pod, const std::string& path, const pod_sources& from) {
  const auto joined = [](const std::vector<std::string>& all) {
    std::string out;
    for (const auto& a : all) out += (out.empty() ? "" : ",") + a;
    return out;
  };
  for (const char* map : {"labels", "annotations"}) {
    const auto prefix = std::string("metadata.") + map;
    if (path == prefix) {
      std::string out;
      for (const auto& [key, value] : dig(pod, "metadata", map).items()) out += (out.empty() ? "" : "\n") + key + "=" + value.dump();
      return out;
    }
    if (path.starts_with(prefix + "['") && path.ends_with("']")) return text_or(dig(pod, "metadata", map, path.substr(prefix.size() + 2, path.size() - prefix.size() - 4)));
  }
  if (path == "metadata.name" || path == "metadata.namespace" || path == "metadata.uid") return text_or(dig(pod, "metadata", path.substr(9)));
  if (path == "spec.nodeName") return from.node;
  if (path == "spec.serviceAccountName") return text_or(dig(pod, "spec", "serviceAccountName"), "default");
  if (path == "status.hostIP") return from.node_addresses.empty() ? std::string() : from.node_addresses.front();
  if (path == "status.hostIPs") return joined(from.node_addresses);
  if (path == "status.podIP") return from.pod_addresses.empty() ? std::string() : from.pod_addresses.front();
  if (path == "status.podIPs") return joined(from.pod_addresses);
  return fail(errc::invalid, "unsupported fieldPath: " + path);
}

std::int64_t amount_milli(const json& container, const char* list, const std::string& what) {
  const auto& amount = dig(container, "resources", list, what);
  const auto text = amount.is_string() ? amount.get<std::string>() : amount.is_number_integer() ? std::to_string(amount.get<std::int64_t>()) : "0";
  return model::quantity_milli(text).value_or(0);
}

result<std::string> resource_of(const json& container, const std::string& what, const json& divisor, const pod_sources& from) {
  const auto dot = what.find('.');
  const auto list = what.substr(0, dot), name = dot == std::string::npos ? "" : what.substr(dot + 1);
  if ((list != "limits" && list != "requests") || (name != "cpu" && name != "memory" && name != "ephemeral-storage"))
    return fail(errc::invalid, "unsupported container resource : " + what);
  auto amount = amount_milli(container, list.c_str(), name);
  if (amount == 0 && list == "limits") amount = name == "cpu" ? from.node_cpu_milli : name == "memory" ? from.node_memory_bytes * 1000 : 0;
  const auto by = model::quantity_milli(text_or(divisor, divisor.is_number_integer() ? divisor.dump() : "1")).value_or(1000);
  return std::to_string(by <= 0 ? (amount + 999) / 1000 : (amount + by - 1) / by);
}

std::string expanded(const std::string& text, const variables& known) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '$' || at + 1 == text.size()) {
      out += text[at];
      continue;
    }
    const auto end = text[at + 1] == '(' ? text.find(')', at) : std::string::npos;
    if (text[at + 1] == '$') {
      out += text[at++];
    } else if (end != std::string::npos) {
      const auto name = text.substr(at + 2, end - at - 2);
      const auto found = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.first == name; });
      out += found == known.end() ? text.substr(at, end - at + 1) : found->second;
      at = end;
    } else {
      out += text[at];
    }
  }
  return out;
}

result<variables> environment_of(const json& pod, const json& container, const pod_sources& from) {
  variables services, out;
  const bool links = dig(pod, "spec", "enableServiceLinks") != json(false);
  for (const auto& service : from.services) {
    const bool master = text_or(dig(service, "metadata", "name")) == "kubernetes" && text_or(dig(service, "metadata", "namespace")) == "default";
    if (links || master) add_service(service, services);
  }
  for (const auto& source : dig(container, "envFrom"))
    if (auto added = add_from(source, text_or(dig(pod, "metadata", "namespace")), from, out); !added.ok()) return added.why();
  for (const auto& one : dig(container, "env")) {
    const auto name = text_or(dig(one, "name"));
    const auto& source = dig(one, "valueFrom");
    if (!source.is_object()) {
      variables known = services;
      for (const auto& [key, value] : out) set(known, key, value);
      set(out, name, expanded(text_or(dig(one, "value")), known));
      continue;
    }
    bool skip = false;
    auto value = value_from(pod, container, source, from, skip);
    if (!value.ok()) return value.why();
    if (!skip) set(out, name, std::move(*value));
  }
  for (auto& [key, value] : services)
    if (std::none_of(out.begin(), out.end(), [&](const auto& one) { return one.first == key; })) out.emplace_back(key, value);
  return out;
}

}  // namespace troupe::kubelet
