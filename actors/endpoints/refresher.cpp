#include "actors/endpoints/refresher.hpp"

#include <algorithm>

#include "actors/client/clients.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::endpoints {

std::vector<endpoint> servers_in(const json& object) {
  std::vector<endpoint> out;
  const auto& subsets = dig(object, "subsets");
  if (!subsets.is_array()) return out;
  for (const auto& subset : subsets) {
    const auto &addresses = dig(subset, "addresses"), &ports = dig(subset, "ports");
    if (!addresses.is_array() || !ports.is_array()) continue;
    for (const auto& address : addresses)
      for (const auto& port : ports) {
        const auto& number = dig(port, "port");
        const auto host = text_or(dig(address, "ip"));
        if (!number.is_number_unsigned() || number.get<std::uint64_t>() > 65535 || !is_ip_address(host)) continue;
        if (out.size() == servers_max) return out;
        endpoint at{host, number.get<std::uint16_t>()};
        if (std::find(out.begin(), out.end(), at) == out.end()) out.push_back(std::move(at));
      }
  }
  return out;
}

std::vector<endpoint> kept_servers(const net::files& on, const std::string& file, const endpoint& first) {
  std::vector<endpoint> out;
  const auto text = on.read(file);
  const auto read = text.ok() ? parse_json(*text) : result<json>(text.why());
  if (!read.ok() || text_or(dig(*read, "ServerURL")) != "https://" + to_string(first)) return out;
  const auto& list = dig(*read, "ServerAddresses");
  if (!list.is_array()) return out;
  for (const auto& one : list)
    if (out.size() == servers_max) break;
    else if (auto at = parse_endpoint(text_or(one), 6443); at.ok() && is_ip_address(at->host)) out.push_back(std::move(*at));
  return out;
}

namespace {

class refresher_state {
 public:
  static constexpr const char* name = "refresher";
  explicit refresher_state(rt::self<refresher_actor> self) : self_(self) {}

  void init(const rt::world& in, refresher_config config, client::api_actor api, settled_actor owner) {
    world_ = &in;
    config_ = std::move(config);
    owner_ = std::move(owner);
    reflector_ = client::make_reflector(in, {"/api/v1/namespaces/default/endpoints", "fieldSelector=metadata.name%3Dkubernetes"}, std::move(api),
                                        caf::actor_cast<client::reflected_actor>(rt::strong<refresher_actor>(self_)));
  }
  ~refresher_state() { rt::end(reflector_); }

  refresher_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { hear(servers_in(*got.object)); },
        [](client::object_lost&) {},   // an empty list is no list: the old one is better
        [](client::kind_synced) {},
        [this](flush_due due) { if (due.change == changes_) flush(); },
    };
  }

 private:
  void hear(std::vector<endpoint> servers) {
    if (servers.empty() || servers == coming_) return;
    coming_ = std::move(servers);
    self_->delayed_send(rt::strong<refresher_actor>(self_), config_.settle, flush_due{++changes_});
  }

  void flush() {
    if (coming_ == settled_) return;
    settled_ = coming_;
    std::string all;
    json list = json::array();
    for (const auto& one : settled_) list.push_back(to_string(one)), all += (all.empty() ? "" : ",") + to_string(one);
    log::info("endpoints.servers_settled", {{"servers", all}});
    if (settled_.size() == servers_max) log::warn("endpoints.servers_cut", {{"servers_max", servers_max}});
    if (!config_.file.empty()) {
      const json kept{{"ServerURL", "https://" + to_string(config_.first)}, {"ServerAddresses", list}};
      if (auto done = world_->files->write(config_.file, to_text(kept) + "\n", 0600); !done.ok())
        log::warn("endpoints.servers_not_kept", {{"why", done.why().note}});
    }
    self_->send(owner_, servers_settled{settled_});
  }

  rt::self<refresher_actor> self_;
  const rt::world* world_ = nullptr;
  refresher_config config_;
  settled_actor owner_;
  client::watcher_actor reflector_;
  std::vector<endpoint> coming_, settled_;
  std::uint64_t changes_ = 0;
};

}  // namespace

refresher_actor make_refresher(const rt::world& in, refresher_config config, client::api_actor api, settled_actor owner) {
  return rt::spawn<refresher_actor, refresher_state>(in, "", in, std::move(config), std::move(api), std::move(owner));
}

}  // namespace troupe::endpoints
