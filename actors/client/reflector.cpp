#include <map>

#include "actors/client/clients.hpp"
#include "actors/model/packed.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"

namespace troupe::client {
namespace {

struct relist_due {};
using reflector_actor = rt::handle<void(watch_event), void(relist_due)>;

constexpr duration delay_first = std::chrono::milliseconds(500);
constexpr duration delay_max = std::chrono::seconds(30);
constexpr duration list_limit = std::chrono::seconds(5);

}  // namespace
}  // namespace troupe::client
RT_MESSAGE(troupe::client::relist_due)
namespace troupe::client {
namespace {

class reflector_state {
 public:
  static constexpr const char* name = "reflector";
  explicit reflector_state(rt::self<reflector_actor> self) : self_(self) {}

  void init(const rt::world& in, reflector_config config, api_actor api, reflected_actor to) {
    config_ = std::move(config);
    api_ = std::move(api);
    to_ = std::move(to);
    dice_ = in.dice.fork("reflector").fork(config_.path);
    self_->send(rt::strong<reflector_actor>(self_), relist_due{});
  }

  reflector_actor::behavior_type make_behavior() {
    return {
        [this](watch_event& event) { hear(event); },
        [this](relist_due) { list(); },
    };
  }

 private:
  std::string url(std::string query) const {
    if (!config_.selector.empty()) query += (query.empty() ? "" : "&") + config_.selector;
    return config_.path + (query.empty() ? "" : "?" + query);
  }

  void list() {
    self_->request(api_, list_limit, api_call{"GET", url(""), "", "application/json", "", {}})
        .then([this](const api_answer& got) { have_list(got); }, [this](caf::error&) { again(); });
  }

  void have_list(const api_answer& got) {
    auto body = parse_json(got.body);
    if (!got.ok() || !body.ok() || !dig(*body, "items").is_array()) return again();
    version_ = text_or(dig(*body, "metadata", "resourceVersion"));
    auto gone = std::move(known_);
    known_.clear();
    for (auto& item : (*body)["items"]) {
      gone.erase(key_of(item));
      see(std::move(item));
    }
    for (auto& [key, one] : gone) self_->send(to_, object_lost{key, one.object ? one.object : std::make_shared<const json>(one.names.read())});
    self_->send(to_, kind_synced{});
    delay_ = delay_first;
    watch();
  }

  void watch() {
    ++watch_;
    auto me = caf::actor_cast<watcher_actor>(rt::strong<reflector_actor>(self_));
    self_->send(api_, open_watch{watch_, {"GET", url("watch=true&allowWatchBookmarks=true&resourceVersion=" + version_), "",
                                          "application/json", "", {}}, me});
  }

  static std::string key_of(const json& object) {
    const auto ns = text_or(dig(object, "metadata", "namespace"));
    return (ns.empty() ? "" : ns + "/") + text_or(dig(object, "metadata", "name"));
  }

  struct kept {
    std::shared_ptr<const json> object;   ///< Null: only the names are kept.
    model::packed names;
  };
  static model::packed names_of(const json& object) {
    json meta = json::object();
    for (const char* what : {"name", "namespace", "uid", "annotations"})
      if (const auto& value = dig(object, "metadata", what); !value.is_null()) meta[what] = value;
    return model::packed(json{{"metadata", std::move(meta)}});
  }

  void see(json object) { pass_on(std::make_shared<const json>(std::move(object))); }

  void pass_on(std::shared_ptr<const json> object) {
    if (config_.metadata_only)
      object = std::make_shared<const json>(json{{"apiVersion", dig(*object, "apiVersion")}, {"kind", dig(*object, "kind")}, {"metadata", dig(*object, "metadata")}});
    auto key = key_of(*object);
    known_[key] = config_.keep == keeping::all ? kept{object, {}} : kept{nullptr, names_of(*object)};
    self_->send(to_, object_seen{std::move(key), std::move(object)});
  }

  void hear(watch_event& event) {
    if (event.watch != watch_) return;
    if (event.type == "CLOSED") return ended();
    if (event.type == "ERROR") return void(again());
    version_ = text_or(dig(*event.object, "metadata", "resourceVersion"), version_);
    delay_ = delay_first;
    if (event.type == "DELETED") {
      const auto key = key_of(*event.object);
      known_.erase(key);
      self_->send(to_, object_lost{key, event.object});
    } else if (event.type == "ADDED" || event.type == "MODIFIED") {
      pass_on(event.object);
    }
  }

  // A stream that simply ended is taken up where it was; the server says if that is too long ago.
  void ended() { again(); }

  void again() {
    ++watch_;  // whatever still comes from the old one is stale
    const auto spread = static_cast<std::int64_t>(dice_.below(static_cast<std::uint64_t>(delay_.count() / 2) + 1));
    self_->delayed_send(rt::strong<reflector_actor>(self_), delay_ + duration(spread), relist_due{});
    delay_ = std::min(delay_ * 2, delay_max);
  }

  rt::self<reflector_actor> self_;
  reflector_config config_;
  api_actor api_;
  reflected_actor to_;
  rng dice_{0};
  std::map<std::string, kept> known_;
  std::string version_;
  std::uint64_t watch_ = 0;
  duration delay_ = delay_first;
};

}  // namespace

watcher_actor make_reflector(const rt::world& in, reflector_config config, api_actor api, reflected_actor to) {
  std::string detail = config.path;
  return rt::spawn<reflector_actor, reflector_state>(in, std::move(detail), in, std::move(config), std::move(api), std::move(to));
}

}  // namespace troupe::client
