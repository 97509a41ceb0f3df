#include "actors/endpoints/refresher.hpp"

#include <algorithm>

#include "actors/client/clients.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::endpoints {

namespace {
std::string doubt_of(std::size_t used, std::size_t nonsense, std::size_t over) {
  if (used == 0 && nonsense == 0) return "the list of servers is empty; the one before is kept";
  if (nonsense == 0 && over == 0) return {};
  return "in the list of servers " + std::to_string(nonsense) + " make no sense and " + std::to_string(over) + " are over the limit; " +
         (used == 0 ? "the one before is kept" : std::to_string(used) + " are used");
}
}  // namespace

std::vector<endpoint> servers_in(const json& object, std::string* doubt) {
  std::vector<endpoint> out;
  std::size_t nonsense = 0, over = 0;
  const auto& subsets = dig(object, "subsets");
  if (doubt) *doubt = doubt_of(0, 0, 0);
  if (!subsets.is_array()) return out;
  for (const auto& subset : subsets) {
    const auto &addresses = dig(subset, "addresses"), &ports = dig(subset, "ports");
    if (!addresses.is_array() || !ports.is_array()) continue;
    for (const auto& address : addresses)
      for (const auto& port : ports) {
        const auto& number = dig(port, "port");
        const auto host = text_or(dig(address, "ip"));
        if (!number.is_number_unsigned() || number.get<std::uint64_t>() > 65535 || !is_ip_address(host)) {
          ++nonsense;
          continue;
        }
        endpoint at{host, number.get<std::uint16_t>()};
        if (std::find(out.begin(), out.end(), at) != out.end()) continue;   // a server may stand in several subsets
        if (out.size() == servers_max) ++over;
        else out.push_back(std::move(at));
      }
  }
  if (doubt) *doubt = doubt_of(out.size(), nonsense, over);
  return out;
}

std::vector<endpoint> kept_servers(const net::files& on, const std::string& file, const endpoint& first) {
  std::vector<endpoint> out;
  const auto text = on.read(file);
  const auto read = text.ok() ? parse_json(*text) : result<json>(text.why());
  if (text.ok() && (!read.ok() || !dig(*read, "ServerAddresses").is_array()))
    log::warn("endpoints.kept_list_unreadable", {{"file", file}, {"then", "it is written anew"}});
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
        [this](client::object_seen& got) { hear(*got.object); },
        [](client::object_lost&) {},   // an empty list is no list: the old one is better
        [](client::kind_synced) {},
        [this](flush_due due) { if (due.change == changes_) flush(); },
    };
  }

 private:
  void hear(const json& object) {
    std::string doubt;
    auto servers = servers_in(object, &doubt);
    if (doubt != doubt_ && !doubt.empty()) log::warn("endpoints.list_doubted", {{"why", doubt}});
    doubt_ = std::move(doubt);
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
  std::string doubt_;   ///< Of the last list; said once.
  std::uint64_t changes_ = 0;
};

}  // namespace

refresher_actor make_refresher(const rt::world& in, refresher_config config, client::api_actor api, settled_actor owner) {
  return rt::spawn<refresher_actor, refresher_state>(in, "", in, std::move(config), std::move(api), std::move(owner));
}

}  // namespace troupe::endpoints
