#include "actors/kubelet/volumes/volumes.hpp"

#include "actors/kubelet/pod/wish.hpp"
#include "actors/model/quantity.hpp"

namespace troupe::kubelet {
namespace {

unsigned mode_or(const json& value, unsigned otherwise) { return value.is_number_integer() ? static_cast<unsigned>(value.get<int>()) : otherwise; }

class planner {
 public:
  planner(const json& pod, const std::string& folder, const pod_sources& from) : pod_(pod), folder_(folder), from_(from) {}

  result<volume_plan> plan(const json& volume) {
    volume_plan out;
    out.name = text_or(dig(volume, "name"));
    const auto at = [&](const char* plugin) { return folder_ + "/volumes/kubernetes.io~" + plugin + "/" + out.name; };
    result<void> went;
    if (const auto& host = dig(volume, "hostPath"); host.is_object()) {
      out.what = volume_plan::kind::host;
      out.path = text_or(dig(host, "path"));
      out.host_type = text_or(dig(host, "type"));
    } else if (const auto& map = dig(volume, "configMap"); map.is_object()) {
      out.path = at("configmap");
      went = add_object(out, map, false, mode_or(dig(map, "defaultMode"), 0644));
    } else if (const auto& secret = dig(volume, "secret"); secret.is_object()) {
      out.path = at("secret");
      went = add_object(out, secret, true, mode_or(dig(secret, "defaultMode"), 0644));
    } else if (const auto& projected = dig(volume, "projected"); projected.is_object()) {
      out.path = at("projected");
      out.what = volume_plan::kind::files;
      for (const auto& source : dig(projected, "sources"))
        if (went = add_source(out, source, mode_or(dig(projected, "defaultMode"), 0644)); !went.ok()) break;
    } else if (const auto& own = dig(volume, "downwardAPI"); own.is_object()) {
      out.path = at("downward-api");
      went = add_fields(out, own, mode_or(dig(own, "defaultMode"), 0644));
    } else if (dig(volume, "emptyDir").is_object()) {
      out.path = at("empty-dir");
      went = add_medium(out, dig(volume, "emptyDir"));
    } else {
      went = fail(errc::invalid, "this version of troupe has no volumes of that kind");
    }
    if (!went.ok()) return fail(errc::invalid, "MountVolume.SetUp failed for volume \"" + out.name + "\" : " + went.why().note);
    return out;
  }

 private:
  /// A ConfigMap or Secret: all keys, or the items' keys at their paths.
  result<void> add_object(volume_plan& to, const json& source, bool secret, unsigned mode) {
    to.what = volume_plan::kind::files;
    auto name = text_or(dig(source, secret ? "secretName" : "name"));
    if (name.empty()) name = text_or(dig(source, "name"));   // in a projection a secret is called by "name"
    const bool optional = dig(source, "optional") == json(true);
    const auto& all = secret ? from_.secrets : from_.config_maps;
    const auto found = all.find(name);
    const auto ns = text_or(dig(pod_, "metadata", "namespace"));
    if (found == all.end()) {
      if (optional) return {};
      return fail(errc::invalid, std::string(secret ? "secret" : "configmap") + " \"" + name + "\" not found");
    }
    const auto& items = dig(source, "items");
    std::string data;
    if (items.is_array() && !items.empty()) {
      for (const auto& item : items) {
        const auto key = text_or(dig(item, "key"));
        if (value_of(found->second, key, data)) to.files.push_back({text_or(dig(item, "path")), data, mode_or(dig(item, "mode"), mode)});
        else if (!optional) return fail(errc::invalid, std::string("references non-existent ") + (secret ? "secret" : "config") + " key: " + key);
      }
      return {};
    }
    for (const char* member : {"data", "binaryData"})
      for (const auto& [key, value] : dig(found->second, member).items())
        if (value_of(found->second, key, data)) to.files.push_back({key, data, mode});
    return {};
  }

  result<void> add_medium(volume_plan& to, const json& source) {
    const auto medium = text_or(dig(source, "medium"));
    if (medium.starts_with("HugePages")) return fail(errc::invalid, "this version of troupe has no huge pages");
    to.in_memory = medium == "Memory";
    const auto& limit = dig(source, "sizeLimit");
    const auto text = limit.is_string() ? limit.get<std::string>() : limit.is_number_integer() ? limit.dump() : std::string("0");
    to.bytes_max = model::quantity_milli(text).value_or(0) / 1000;
    return {};
  }

  result<void> add_fields(volume_plan& to, const json& source, unsigned mode) {
    to.what = volume_plan::kind::files;
    for (const auto& item : dig(source, "items")) {
      const auto path = text_or(dig(item, "path"));
      result<std::string> value = std::string();
      if (const auto& field = dig(item, "fieldRef"); field.is_object()) {
        value = field_of(pod_, text_or(dig(field, "fieldPath")), from_);
      } else if (const auto& resource = dig(item, "resourceFieldRef"); resource.is_object()) {
        json container;
        for (const auto& c : dig(pod_, "spec", "containers"))
          if (dig(c, "name") == dig(resource, "containerName")) container = c;
        value = resource_of(container, text_or(dig(resource, "resource")), dig(resource, "divisor"), from_);
      }
      if (!value.ok()) return value.why();
      to.files.push_back({path, *value, mode_or(dig(item, "mode"), mode)});
    }
    return {};
  }

  result<void> add_source(volume_plan& to, const json& source, unsigned mode) {
    if (const auto& map = dig(source, "configMap"); map.is_object()) return add_object(to, map, false, mode);
    if (const auto& secret = dig(source, "secret"); secret.is_object()) return add_object(to, secret, true, mode);
    if (const auto& own = dig(source, "downwardAPI"); own.is_object()) return add_fields(to, own, mode);
    const auto path = text_or(dig(source, "serviceAccountToken", "path"));
    for (const auto& [need, token] : from_.tokens)
      // An image may name a user of its own, who has to read it too.
      if (need.volume == to.name && need.path == path) return to.files.push_back({path, token, 0644u}), result<void>();
    return fail(errc::invalid, "failed to fetch token");
  }
  const json& pod_;
  const std::string& folder_;
  const pod_sources& from_;
};

bool leads_out(const std::string& path) {
  return path.empty() || path.starts_with('/') || path == ".." || path.starts_with("../") || path.find("/../") != std::string::npos || path.ends_with("/..");
}

}  // namespace

result<std::vector<volume_plan>> plan_volumes(const json& pod, const std::string& folder, const pod_sources& from) {
  std::vector<volume_plan> out;
  planner one(pod, folder, from);
  for (const auto& volume : dig(pod, "spec", "volumes")) {
    auto made = one.plan(volume);
    if (!made.ok()) return made.why();
    for (const auto& file : made->files)
      if (leads_out(file.path)) return fail(errc::invalid, "MountVolume.SetUp failed for volume \"" + made->name + "\" : the path \"" + file.path + "\" leads out of it");
    out.push_back(std::move(*made));
  }
  return out;
}

void forget_data(std::vector<volume_plan>& written) {
  for (auto& volume : written)
    for (auto& file : volume.files) file.data = std::to_string(file.data.size()) + "-" + std::to_string(digest_of(file.data));
}

}  // namespace troupe::kubelet
