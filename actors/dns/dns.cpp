#include "actors/dns/dns.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "actors/client/clients.hpp"
#include "actors/dns/framing.hpp"
#include "actors/dns/responder.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

//  services, slices, nodes --seen/lost--> zone
//  a pod --UDP or TCP--> listen --> responder --> zone | cache | upstream --> a server outside

namespace troupe::dns {
namespace {

constexpr const char* service_label = "kubernetes.io/service-name";

/// Who is answered: pods and this node. Anybody else could make us flood a third.
class guests {
 public:
  guests(const std::string& pods, std::vector<std::string> own) : own_(std::move(own)) {
    const auto slash = pods.find('/');
    base_ = address_data(pods.substr(0, slash));
    if (slash != std::string::npos && base_.size() == 4) bits_ = static_cast<unsigned>(std::clamp(std::atoi(pods.c_str() + slash + 1), 0, 32));
  }
  bool admit(const std::string& address) const {
    if (address.starts_with("127.") || std::ranges::find(own_, address) != own_.end()) return true;
    const auto raw = address_data(address);
    return base_.size() == 4 && raw.size() == 4 && (number(raw) ^ number(base_)) >> (32 - bits_) == 0;
  }

 private:
  static std::uint64_t number(const std::string& raw) {
    std::uint64_t out = 0;
    for (const unsigned char c : raw) out = out << 8 | c;
    return out;
  }
  std::vector<std::string> own_;
  std::string base_;
  unsigned bits_ = 32;
};

/// A client by TCP.
class tcp_client final : public net::stream_sink, public std::enable_shared_from_this<tcp_client> {
 public:
  tcp_client(net::stream_ptr stream, responder& by, std::function<void()> over) : stream_(std::move(stream)), by_(by), over_(std::move(over)) {}
  void begin() { stream_->start(this); }
  void on_data(std::string_view data) override {
    frames_.take(data, [this](std::string_view message) {
      ++heard_;
      by_.hear(message, true, [weak = weak_from_this()](std::string packet) {
        if (const auto me = weak.lock(); me && !me->ended_) me->stream_->write(framed(packet));
      });
      return true;
    });
  }
  void on_closed(const error&) override { ended_ = true, over_(); }
  /// Whether it has said anything since the last look.
  bool is_idle() { return std::exchange(looked_, heard_) == heard_; }

 private:
  net::stream_ptr stream_;
  responder& by_;
  std::function<void()> over_;
  unframer frames_;
  std::uint64_t heard_ = 0, looked_ = 0;
  bool ended_ = false;
};

class dns_state {
 public:
  static constexpr const char* name = "dns";
  explicit dns_state(rt::self<dns_actor> self) : self_(self) {}
  ~dns_state() {
    for (const auto& one : reflectors_) rt::end(one);
    if (idle_timer_) world_->shard->cancel(idle_timer_);
  }

  enum source : std::size_t { services, slices, nodes };
  void init(const rt::world& in, dns_config config, client::api_actor api) {
    world_ = &in;
    config_ = std::move(config);
    guests_.emplace(config_.pods, config_.own_addresses);
    responder_ = std::make_unique<responder>(*in.shard, zone(config_.domain, config_.cluster_address), std::make_unique<upstream>(*in.shard, *in.datagrams, *in.dialer, *in.chance));
    const auto me = caf::actor_cast<client::reflected_actor>(rt::strong<dns_actor>(self_));
    for (const char* path : {"/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/nodes"})
      reflectors_.push_back(client::make_reflector(in, {path, ""}, api, me));
    self_->send(rt::strong<dns_actor>(self_), refresh_due{});
  }

  dns_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { see(got.key, got.object, true); },
        [this](client::object_lost& got) { see(got.key, got.object, false); },
        [this](client::kind_synced) {
          synced_.insert(client::source_among(self_, reflectors_));
          if (synced_.size() == reflectors_.size()) responder_->set_complete();
        },
        [this](refresh_due) { refresh(); },
    };
  }

 private:
  void see(const std::string& key, const std::shared_ptr<const json>& object, bool there) {
    const auto from = client::source_among(self_, reflectors_);
    if (from == nodes) return see_node(key, there ? *object : json());
    if (from == services) {
      if (there) services_[key] = object;
      else services_.erase(key);
      return renew(key);
    }
    if (const auto was = owner_.find(key); was != owner_.end()) {
      const auto of = was->second;
      slices_[of].erase(key);
      owner_.erase(was);
      renew(of);
    }
    if (!there) return;
    const auto of = key.substr(0, key.find('/') + 1) + text_or(dig(*object, "metadata", "labels", service_label));
    slices_[of][key] = object;
    owner_[key] = of;
    renew(of);
  }

  void renew(const std::string& key) {
    const auto service = services_.find(key);
    zone::slice_list some;
    if (const auto found = slices_.find(key); found != slices_.end()) {
      for (const auto& [name, slice] : found->second) some.push_back(slice);
      if (some.empty()) slices_.erase(found);
    }
    responder_->names().set_service(key, service == services_.end() ? json() : *service->second, some);
  }

  void see_node(const std::string& key, const json& node) {
    std::vector<std::string> addresses;
    for (const auto& a : dig(node, "status", "addresses"))
      if (const auto type = text_or(dig(a, "type")); type == "InternalIP") addresses.push_back(text_or(dig(a, "address")));
    responder_->names().set_node(key, std::move(addresses));
  }

  void refresh() {
    auto not_these = std::vector<std::string>{config_.cluster_address, config_.listen.host};
    const auto text = world_->files->read(config_.resolver_file);
    auto servers = nameservers_of(text.ok() ? *text : "", not_these);
    if (servers != responder_->outside().servers() || !std::exchange(read_, true)) {
      std::string all;
      for (const auto& s : servers) all += (all.empty() ? "" : " ") + s.host;
      log::info("dns.servers_outside", {{"servers", all.empty() ? "none: names outside of the cluster do not resolve" : all}, {"from", config_.resolver_file}});
    }
    responder_->outside().use(std::move(servers));
    const bool listening = listen();
    self_->delayed_send(rt::strong<dns_actor>(self_), listening ? config_.refresh_every : config_.listen_again, refresh_due{});
  }

  bool listen() {
    std::string why;
    if (!socket_) {
      auto got = world_->datagrams->open(config_.listen, [this](const endpoint& from, std::string_view data) { hear(from, data); });
      if (got.ok()) socket_ = std::move(*got);
      else why = got.why().note;
    }
    if (!listener_) {
      auto got = world_->acceptor->listen(config_.listen, [this, alive = std::weak_ptr(alive_)](net::stream_ptr stream) {
        if (!alive.expired()) take(std::move(stream));
      });
      if (got.ok()) listener_ = std::move(*got);
      else why = got.why().note;
    }
    if (!why.empty() && why != told_) log::warn("dns.not_listening", {{"why", why}});
    if (why.empty() && !std::exchange(listening_, true)) log::info("dns.listening", {{"at", to_string(config_.listen)}, {"domain", config_.domain}});
    told_ = why;
    return why.empty();
  }

  void hear(const endpoint& from, std::string_view data) {
    if (!guests_->admit(from.host)) return;
    responder_->hear(data, false, [this, alive = std::weak_ptr(alive_), from](std::string packet) {
      if (!alive.expired() && socket_) socket_->send(from, packet);
    });
  }

  void take(net::stream_ptr stream) {
    if (!guests_->admit(stream->remote_address().host) || clients_.size() >= config_.clients_max) return;
    const auto number = ++numbers_;
    auto one = std::make_shared<tcp_client>(std::move(stream), *responder_, [this, number] {
      world_->shard->post([this, alive = std::weak_ptr(alive_), number] {
        if (!alive.expired()) clients_.erase(number);
      });
    });
    clients_.emplace(number, one);
    one->begin();
    if (!idle_timer_) idle_timer_ = world_->shard->after(config_.idle_max, [this] { sweep(); });
  }
  void sweep() {
    std::erase_if(clients_, [](const auto& c) { return c.second->is_idle(); });
    idle_timer_ = clients_.empty() ? 0 : world_->shard->after(config_.idle_max, [this] { sweep(); });
  }

  rt::self<dns_actor> self_;
  const rt::world* world_ = nullptr;
  dns_config config_;
  std::optional<guests> guests_;
  std::unique_ptr<responder> responder_;
  std::vector<client::watcher_actor> reflectors_;
  std::set<std::size_t> synced_;
  std::map<std::string, std::shared_ptr<const json>> services_;
  std::map<std::string, std::map<std::string, std::shared_ptr<const json>>> slices_;   ///< By their Service, then by key.
  std::map<std::string, std::string> owner_;                                           ///< A slice's key -> its Service.
  std::unique_ptr<net::datagram_socket> socket_;
  std::unique_ptr<net::listener> listener_;
  std::map<std::uint64_t, std::shared_ptr<tcp_client>> clients_;
  std::uint64_t numbers_ = 0;
  net::timer_id idle_timer_ = 0;
  std::string told_;
  bool read_ = false, listening_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

dns_actor make_dns(const rt::world& in, dns_config config, client::api_actor api) {
  return rt::spawn_pinned<dns_actor, dns_state>(in, "", in, std::move(config), std::move(api));
}

}  // namespace troupe::dns
