#include "actors/apiserver/gate.hpp"

#include "actors/apiserver/identity.hpp"
#include "actors/apiserver/carrying/node_proxy.hpp"
#include "actors/apiserver/carrying/pod_paths.hpp"
#include "actors/apiserver/reads.hpp"
#include "actors/apiserver/resources/rules/subresources/subresources.hpp"
#include "actors/apiserver/resources/rules/write.hpp"
#include "actors/apiserver/respond.hpp"
#include "actors/apiserver/sinks.hpp"
#include "actors/apiserver/wire/decode.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "net/http/carry.hpp"

namespace troupe::apiserver {
namespace {

using exchange_ptr = net::http::exchange_ptr;
using request_ptr = std::shared_ptr<net::http::request>;

// Upstream waits for it for ten looks of 100 to 200 ms. Longer here: on a busy machine half of that was seen to pass.
constexpr unsigned account_looks_max = 30;
constexpr auto account_look_every = std::chrono::milliseconds(100);

class gate_state {
 public:
  static constexpr const char* name = "gate";
  explicit gate_state(rt::self<gate_actor> self) : self_(self) {}

  void init(const rt::world& in, gate_config config, std::map<std::uint16_t, kind_keeper_actor> keepers,
            tunnel::dialer_actor nodes) {
    world_ = &in;
    config_ = std::move(config);
    keepers_ = std::move(keepers);
    nodes_ = std::move(nodes);
    guard_ = guard(in, std::move(config_.guard), [this](const schema::kind& kind) {
      const auto found = fans_.find(kind.storage);
      return found == fans_.end() ? model::snapshot() : found->second.all();
    });
    dice_ = in.dice.fork("gate");
    for (const auto& [kind, keeper] : keepers_) fans_.emplace(kind, watch_fan(config_.fan));
    self_->set_down_handler([this](const caf::down_msg& gone) { forget_watcher(gone.source.id()); });
    self_->delayed_send(rt::strong<gate_actor>(self_), config_.fan.bookmark_every, minute_passed{});
  }

  gate_actor::behavior_type make_behavior() {
    return {
        [this](front::request_arrived& got) { arrive(std::move(got.ask), std::move(got.answer)); },
        [this](changes_applied& news) { hear(news); },
        [this](client::api_call& call) { return call_locally(std::move(call)); },
        [this](client::open_watch& ask) { watch_locally(std::move(ask)); },
        [this](client::close_watch& ask) { close_locally(ask); },
        [this](watch_over& done) { end_watch(done); },
        [this](minute_passed) { pass_minute(); },
        [this](datastore::standing_told told) { hear_standing(told.now); },
        [this](secrets::passwords_changed& now) { guard_.use_passwords(std::move(now.server), std::move(now.agent)); },
        [this](certificates::identity_renewed& now) { config_.kubelet_client = std::move(now.self); },
    };
  }

 private:
  // --- who and what ----------------------------------------------------------------------------

  void arrive(request_ptr ask, exchange_ptr to) {
    auto who = guard_.identify(*ask);
    if (auto* bad = std::get_if<api_error>(&who)) return respond_error(*to, *bad);
    serve(std::get<user_info>(who), ask, to);
  }

  void serve(const user_info& user, const request_ptr& ask, const exchange_ptr& to) {
    auto routed = route(ask->method, ask->path, ask->query);
    if (auto* bad = std::get_if<api_error>(&routed)) {
      // A stranger learns nothing about what there is.
      if (user.name == "system:anonymous") return respond_error(*to, forbidden_path(user.name, "get", ask->path));
      return respond_error(*to, *bad);
    }
    auto asked = std::make_shared<const target>(std::move(std::get<target>(routed)));
    const auto verdict = guard_.decide(user, *asked);
    if (!verdict.allowed) return respond_error(*to, refusal(user, *asked, verdict));
    if (guard_.answers(*asked)) return guard_.answer(user, *asked, *ask, *to, config_.build.server_address);
    if (!asked->kind) return serve_path(*asked, *ask, to);
    if (asked->subresource == "proxy") return asked->kind->plural == "nodes" ? proxy(*asked, *ask, to) : proxy_pod(asked, ask, to);
    if (is_carried_to_kubelet(*asked)) return carry_to_kubelet(asked, ask, to);
    if (asked->subresource == "eviction") return evict(user, *asked, *ask, to);
    if (!is_kept(asked->subresource)) return respond_error(*to, not_served(*asked));
    auto form = negotiate(ask->headers.get("accept"), ask->headers.get("user-agent"), *asked);
    if (auto* bad = std::get_if<api_error>(&form)) return respond_error(*to, *bad);
    const rendering how{asked->kind, std::get<representation>(form), world_->wall->now()};
    switch (asked->what) {
      case verb::get: return with_version(asked, how, to, &gate_state::get);
      case verb::list: return with_version(asked, how, to, &gate_state::list);
      case verb::watch: return watch(asked, how, to);
      default: return write(user, asked, how, *ask, to);
    }
  }

  /// Part of the stored object, and not something that is done with it.
  static bool is_kept(std::string_view subresource) {
    return subresource.empty() || subresource == "status" || subresource == "finalize" || subresource == "approval" || subresource == "scale" || subresource == "binding" ||
           subresource == "ephemeralcontainers";
  }
  static api_error not_served(const target& asked) {
    auto out = method_not_allowed(asked.method, asked.kind->plural);
    out.message = "this version of troupe does not serve " + std::string(asked.kind->plural) + "/" + asked.subresource;
    return out;
  }

  void serve_path(const target& asked, const net::http::request& ask, const exchange_ptr& to) {
    if (asked.path == "/healthz" || asked.path == "/livez" || asked.path == "/readyz" ||
        asked.path.starts_with("/healthz/") || asked.path.starts_with("/livez/") || asked.path.starts_with("/readyz/"))
      return serve_health(asked, to);
    if (ask.method != "GET" && ask.method != "HEAD") return respond_error(*to, method_not_allowed(ask.method, asked.path));
    auto reply = discover(asked, ask.headers.get("accept"), config_.build);
    if (auto* bad = std::get_if<api_error>(&reply)) return respond_error(*to, *bad);
    respond_discovery(*to, std::get<discovery_reply>(reply), ask.headers.get("if-none-match"));
  }

  void serve_health(const target& asked, const exchange_ptr& to) {
    std::string waiting, lines;
    for (const auto& [kind, fan] : fans_) {
      const std::string plural(schema::kinds()[kind].plural);
      lines += (fan.loaded() ? "[+]cache-" + plural + " ok\n" : "[-]cache-" + plural + " failed: loading\n");
      if (!fan.loaded()) waiting += (waiting.empty() ? "" : ", ") + plural;
    }
    // Who waits for us and then creates something in one of them shall not be told that there is none.
    const auto spaces = fans_.find(schema::find("", "v1", "namespaces")->index);
    if (spaces != fans_.end() && spaces->second.loaded()) {
      const bool made = std::ranges::all_of(immortal_namespaces, [&](std::string_view one) { return spaces->second.all().find(one) != nullptr; });
      lines += made ? "[+]poststarthook/start-system-namespaces-controller ok\n" : "[-]poststarthook/start-system-namespaces-controller failed: not finished\n";
      if (!made) waiting += (waiting.empty() ? "" : ", ") + std::string("system namespaces");
    }
    lines += away_ ? "[-]datastore failed: no leader\n" : "[+]datastore ok\n";
    if (away_) waiting += (waiting.empty() ? "" : ", ") + std::string("datastore");
    const bool live = !asked.path.starts_with("/readyz");
    const bool ok = live || waiting.empty();
    const bool verbose = find_pair(asked.query, "verbose") != nullptr;
    const std::string check = asked.path.substr(1);
    if (!ok) return respond_text(*to, 503, lines + check + " check failed\n");
    respond_text(*to, 200, verbose ? (live ? "[+]ping ok\n" : "[+]ping ok\n" + lines) + check + " check passed\n" : "ok");
  }

  void hear(const changes_applied& news) {
    fans_.at(news.kind).hear(news, world_->wall->now());
    guard_.hear(schema::kinds()[news.kind]);
  }

  // --- reading ---------------------------------------------------------------------------------

  using reader = void (gate_state::*)(const std::shared_ptr<const target>&, const rendering&, const exchange_ptr&);

  /// A revision this cache has not seen may have come from another kind's answer: the keeper knows.
  void with_version(const std::shared_ptr<const target>& asked, const rendering& how, const exchange_ptr& to, reader then) {
    const auto& fan = fans_.at(asked->kind->storage);
    if (!fan.loaded()) return respond_error(*to, unavailable("the server is still loading its objects"));
    const auto wanted = asked->ask.resource_version.value_or(0);
    // Without a revision the newest is meant, and another server may have written it; a page continues an old one.
    const bool newest = config_.shared && !asked->ask.resource_version && asked->ask.continue_token.empty();
    if (newest && away_) return (this->*then)(asked, warned(how, fan.head()), to);
    if (!newest && wanted <= fan.head()) return (this->*then)(asked, how, to);
    self_->request(keepers_.at(asked->kind->storage), caf::infinite, catch_up{})
        .then([this, asked, how, to, then, wanted](model::revision_number head) {
          if (wanted > head) return respond_error(*to, too_large_version(wanted, head));
          (this->*then)(asked, how, to);
        }, [this, asked, how, to, then, newest](caf::error& why) {
          if (!newest) return respond_error(*to, unavailable(rt::reason(why).note));
          (this->*then)(asked, warned(how, fans_.at(asked->kind->storage).head()), to);
        });
  }

  rendering warned(rendering how, model::revision_number at) const {
    how.warning = "the datastore has no leader; this is what the server knew at revision " + std::to_string(at);
    if (away_) how.warning += ", " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(world_->shard->now() - *away_).count()) + " s after it was lost";
    return how;
  }

  void hear_standing(storage::standing now) {
    const bool gone = now == storage::standing::leaderless || now == storage::standing::closed;
    if (!gone) away_.reset();
    else if (!away_) away_ = world_->shard->now();
  }

  void get(const std::shared_ptr<const target>& asked, const rendering& how, const exchange_ptr& to) {
    const auto key = asked->ns.empty() ? asked->name : asked->ns + "/" + asked->name;
    const auto doc = fans_.at(asked->kind->storage).all().find(key);
    if (!doc) return respond_error(*to, not_found(*asked->kind, asked->name), how.warning);
    const auto part = part_answer(asked->subresource, *doc);   // a Scale
    respond_body(*to, 200, part ? "application/json" : content_type(how.as), part ? *part : render_object(how, *doc),
                 std::vector<std::string>(how.warning.empty() ? 0 : 1, how.warning));
  }

  void list(const std::shared_ptr<const target>& asked, const rendering& how, const exchange_ptr& to) {
    const auto& fan = fans_.at(asked->kind->storage);
    auto chosen = pages_.choose(asked->kind->storage, fan.all(), fan.head(), *asked, world_->shard->now());
    if (auto* bad = std::get_if<api_error>(&chosen)) return respond_error(*to, *bad);
    send_list(to, how, std::move(std::get<page>(chosen)), {config_.list_piece_bytes, config_.list_unsent_max});
  }

  void watch(const std::shared_ptr<const target>& asked, const rendering& how, const exchange_ptr& to) {
    auto& fan = fans_.at(asked->kind->storage);
    if (!fan.loaded()) return respond_error(*to, unavailable("the server is still loading its objects"));
    if (watches() >= config_.watches_max) return respond_error(*to, too_many_requests("too many watches are open", 1));
    if (asked->ask.initial_events && asked->ask.match != version_match::not_older_than)
      return respond_error(*to, invalid_options("ListOptions", {forbidden_value("resourceVersionMatch",
                                                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")}));
    net::http::header_list head;
    head.add("content-type", content_type(how.as));
    head.add("cache-control", "no-cache, private");
    to->start(200, std::move(head));
    watch_request request{how, asked->ns, asked, make_http_sink(to)};
    auto opened = fan.open(request, world_->wall->now());
    if (auto* bad = std::get_if<api_error>(&opened)) {
      to->chunk(render_watch_error(*bad));
      return to->finish();
    }
    const auto id = std::get<watch_fan::watcher_id>(opened);
    const auto kind = asked->kind->storage;
    auto me = rt::strong<gate_actor>(self_);
    to->on_gone([me, kind, id] { rt::post(me, watch_over{kind, id, false}); });
    const auto span = asked->ask.timeout_s ? std::chrono::seconds(*asked->ask.timeout_s)
                                           : std::chrono::seconds(1800 + dice_.below(1800));
    // A timer of the shard and not of the actor library: that one could not be taken back for half an hour.
    watch_timers_[{kind, id}] = world_->shard->after(span, [me, kind, id] { rt::post(me, watch_over{kind, id, true}); });
  }

  void end_watch(const watch_over& done) {
    if (const auto found = watch_timers_.find({done.kind, done.watch}); found != watch_timers_.end()) {
      world_->shard->cancel(found->second);
      watch_timers_.erase(found);
    }
    fans_.at(done.kind).close(done.watch, done.in_order, "the watch's time is over");
  }

  std::size_t watches() const {
    std::size_t n = 0;
    for (const auto& [kind, fan] : fans_) n += fan.watchers();
    return n;
  }

  // --- writing ---------------------------------------------------------------------------------

  void write(const user_info& user, const std::shared_ptr<const target>& asked, const rendering& how,
             net::http::request& ask, const exchange_ptr& to, unsigned tries = 0) {
    // A namespace's own account is made a moment after it, and who makes a pod at once need not know.
    if (tries < account_looks_max && guard_.lacks_account(*asked)) {
      auto kept = std::make_shared<net::http::request>(std::move(ask));
      world_->shard->after(account_look_every, [this, alive = std::weak_ptr(alive_), user, asked, how, kept, to, tries] {
        if (!alive.expired()) write(user, asked, how, *kept, to, tries + 1);
      });
      return;
    }
    if (writes_open_ >= config_.writes_open_max)
      return respond_error(*to, too_many_requests("too many writes are waiting", 1));
    ++writes_open_;
    write_object order{asked, std::move(ask.body), std::string(ask.headers.get("content-type")), user, guard_.admit(user, *asked)};
    self_->request(keepers_.at(asked->kind->storage), caf::infinite, std::move(order))
        .then([this, how, to](written& got) {
          --writes_open_;
          if (auto* bad = std::get_if<api_error>(&got.answer)) return respond_error(*to, *bad);
          if (auto* text = std::get_if<std::string>(&got.answer))
            return respond_body(*to, success_code(got.created), "application/json", std::move(*text), got.warnings);
          rendering fresh = how;
          fresh.now = world_->wall->now();
          respond_body(*to, success_code(got.created), content_type(how.as),
                       render_object(fresh, *std::get<model::document_ptr>(got.answer)), got.warnings);
        }, [this, to](caf::error& why) {
          --writes_open_;
          respond_error(*to, unavailable("the keeper of this kind is away: " + rt::reason(why).note));
        });
  }

  /// A pod goes as a budget allows: first the budget pays, then the pod is deleted as the body's deleteOptions say.
  void evict(const user_info& user, const target& asked, const net::http::request& ask, const exchange_ptr& to) {
    auto body = decode_body(ask.headers.get("content-type"), ask.body, *asked.kind, asked.subresource, asked.ask.validation);
    if (auto* bad = std::get_if<api_error>(&body)) return respond_error(*to, *bad);
    const auto* budgets = schema::find("policy", "v1", "poddisruptionbudgets");
    const auto pod = fans_.at(asked.kind->storage).all().find(asked.ns + "/" + asked.name);
    if (!pod) return respond_error(*to, not_found(*asked.kind, asked.name));
    const auto verdict = judge_eviction(model::parse(*pod), fans_.at(budgets->storage).all(), world_->wall->now());
    if (verdict.refused) return respond_error(*to, *verdict.refused);
    const json& how = dig(std::get<decoded>(body).object, "deleteOptions");
    write_object order{remove_of(asked), how.is_object() ? to_text(how) : "", "application/json", user};
    if (verdict.budget.empty()) return remove_evicted(std::move(order), to);
    auto pay = std::make_shared<target>(asked);
    pay->kind = budgets, pay->what = verb::patch, pay->name = verdict.budget, pay->subresource = "status";
    write_object payment{std::move(pay), to_text(verdict.patch), "application/merge-patch+json", user};
    self_->request(keepers_.at(budgets->storage), caf::infinite, std::move(payment))
        .then([this, order, to](const written& got) {
          if (const auto* bad = std::get_if<api_error>(&got.answer))
            return respond_error(*to, bad->code == 409 ? too_many_requests("too many evictions at once for this disruption budget", 1) : *bad);
          remove_evicted(order, to);
        }, [to](caf::error& why) { respond_error(*to, unavailable(rt::reason(why).note)); });
  }
  static std::shared_ptr<const target> remove_of(const target& asked) {
    auto out = std::make_shared<target>(asked);
    out->what = verb::remove;
    out->subresource.clear();
    out->sub = nullptr;
    return out;
  }
  void remove_evicted(write_object order, const exchange_ptr& to) {
    self_->request(keepers_.at(order.what->kind->storage), caf::infinite, std::move(order)).then([to](const written& got) {
      if (const auto* bad = std::get_if<api_error>(&got.answer)) return respond_error(*to, *bad);
      respond_body(*to, 201, "application/json", R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201})");
    }, [to](caf::error& why) { respond_error(*to, unavailable(rt::reason(why).note)); });
  }

  // --- carrying on to nodes --------------------------------------------------------------------

  void proxy(const target& asked, const net::http::request& ask, const exchange_ptr& to) {
    const auto named = split_proxy_name(asked.name);
    if (!named || (named->scheme != "" && named->scheme != "https"))
      return respond_error(*to, bad_request("nodes are reached over https only: use NODE or https:NODE:10250"));
    const auto* nodes = schema::find("", "v1", "nodes");
    if (!fans_.at(nodes->storage).all().find(named->name)) return respond_error(*to, not_found(*nodes, named->name));
    std::string path = asked.rest.empty() ? "/" : asked.rest;
    if (!ask.query.empty()) path += "?" + ask.query;
    const auto address = named->port.empty() ? std::string("127.0.0.1") : "127.0.0.1:" + named->port;
    reach(named->name, address, ask, std::move(path), net::http::wants_upgrade(ask), speaks::kubelet, to);
  }

  json stored(const schema::kind& kind, const std::string& ns, const std::string& name) {
    const auto doc = fans_.at(kind.storage).all().find(ns + "/" + name);
    return doc ? model::parse(*doc) : json();
  }
  /// The stored object of that path's namespace and name; answered with 404 when there is none.
  std::optional<json> read_stored(const char* plural, const std::string& ns, const std::string& name, const exchange_ptr& to) {
    const auto* kind = schema::find("", "v1", plural);
    auto found = stored(*kind, ns, name);
    if (found.is_object()) return found;
    respond_error(*to, not_found(*kind, name));
    return std::nullopt;
  }

  /// Logs of a pod and streams into it: asked of its kubelet, which asks the runtime.
  void carry_to_kubelet(const std::shared_ptr<const target>& asked, const request_ptr& ask, const exchange_ptr& to) {
    const auto pod = read_stored("pods", asked->ns, asked->name, to);
    if (!pod) return;
    auto what = ask_kubelet(*asked, *pod);
    if (auto* bad = std::get_if<api_error>(&what)) return respond_error(*to, *bad);
    auto& [node, path, upgrade] = std::get<kubelet_ask>(what);
    if (upgrade && !net::http::wants_upgrade(*ask)) return respond_error(*to, bad_request("Upgrade request required"));
    reach(node, "127.0.0.1", *ask, std::move(path), upgrade, speaks::kubelet, to);
  }

  void proxy_pod(const std::shared_ptr<const target>& asked, const request_ptr& ask, const exchange_ptr& to) {
    const bool service = asked->kind->plural == "services";
    if (!service && asked->kind->plural != "pods") return respond_error(*to, not_served(*asked));
    const auto named = split_proxy_name(asked->name);
    if (!named) return respond_error(*to, bad_request("invalid " + std::string(service ? "service" : "pod") + " request \"" + asked->name + "\""));
    const auto object = read_stored(service ? "services" : "pods", asked->ns, named->name, to);
    if (!object) return;
    auto where = service ? find_service_port(*named, *object, stored(*schema::find("", "v1", "endpoints"), asked->ns, named->name), turns_++) : find_pod_port(*named, *object);
    if (auto* bad = std::get_if<api_error>(&where)) return respond_error(*to, *bad);
    const auto& [node, address, tls] = std::get<pod_address>(where);
    std::string path = asked->rest.empty() ? "/" : asked->rest;
    if (!ask->query.empty()) path += "?" + ask->query;
    reach(node, address, *ask, std::move(path), net::http::wants_upgrade(*ask), tls ? speaks::pod_tls : speaks::pod_plain, to);
  }

  /// Who answers: a kubelet over TLS, who sees our certificate; or a pod, whose certificate nobody here could judge, as upstream.
  enum class speaks : std::uint8_t { kubelet, pod_plain, pod_tls };

  void reach(const std::string& node, const std::string& address, const net::http::request& ask, std::string path, bool upgrade,
             speaks peer, const exchange_ptr& to) {
    proxy_config with{{config_.kubelet_trust, node, config_.kubelet_client}, config_.proxy_patience};
    if (peer == speaks::pod_tls) with.tls = {"", node, {}};
    with.to_pod = peer != speaks::kubelet;
    with.plain = peer == speaks::pod_plain;
    auto carried = std::make_shared<net::http::request>(net::http::carried_on(ask, path));
    self_->request(nodes_, std::chrono::seconds(10), tunnel::open_stream{{node}, address})
        .then([this, with, carried, upgrade, to](tunnel::stream_box& box) mutable {
          (upgrade ? upgrade_at_node : proxy_to_node)(*world_, std::move(with), std::move(*box.stream), std::move(*carried), to);
        }, [to](caf::error& why) {
          // No Retry-After: it has been waited for already, and clients would repeat it ten times in silence.
          respond_error(*to, unavailable(rt::reason(why).note, 0));
        });
  }

  // --- for those inside ------------------------------------------------------------------------

  static request_ptr as_request(client::api_call& call) {
    auto ask = std::make_shared<net::http::request>();
    ask->method = call.method;
    const auto mark = call.path.find('?');
    ask->path = call.path.substr(0, mark);
    if (mark != std::string::npos) ask->query = call.path.substr(mark + 1);
    ask->headers.add("content-type", call.content_type);
    ask->body = std::move(call.body);
    return ask;
  }
  static user_info as_user(const client::api_call& call) {
    user_info user{call.user, call.groups};
    user.groups.emplace_back(group_authenticated);
    return user;
  }

  caf::result<client::api_answer> call_locally(client::api_call call) {
    auto answer = self_->make_response_promise<client::api_answer>();
    const auto user = as_user(call);
    serve(user, as_request(call), make_local_exchange([answer](client::api_answer got) mutable { answer.deliver(std::move(got)); }));
    return answer;
  }

  void watch_locally(client::open_watch ask) {
    const auto user = as_user(ask.call);
    auto refuse = [&](std::string_view why) {
      self_->send(ask.to, client::watch_event{ask.watch, "CLOSED", std::make_shared<const json>(json{{"message", why}})});
    };
    const auto request = as_request(ask.call);
    auto routed = route("GET", request->path, request->query);
    auto* t = std::get_if<target>(&routed);
    if (!t || !t->kind || t->what != verb::watch) return refuse("not a watch");
    auto asked = std::make_shared<const target>(std::move(*t));
    if (!guard_.decide(user, *asked).allowed) return refuse("forbidden");
    auto& fan = fans_.at(asked->kind->storage);
    if (!fan.loaded()) return refuse("the server is still loading its objects");
    watch_request what{{asked->kind, {}, {}}, asked->ns, asked, make_local_sink(ask.watch, ask.to)};
    auto opened = fan.open(what, world_->wall->now());
    if (auto* bad = std::get_if<api_error>(&opened)) return refuse(bad->message);
    self_->monitor(ask.to);
    local_watches_.push_back({ask.watch, ask.to.id(), asked->kind->storage,
                              std::get<watch_fan::watcher_id>(opened)});
  }

  void close_locally(const client::close_watch& ask) {
    const auto who = ask.to.id();
    std::erase_if(local_watches_, [&](const local_watch& w) {
      if (w.number != ask.watch || w.who != who) return false;
      fans_.at(w.kind).close(w.id, true, "closed by its watcher");
      return true;
    });
  }

  void forget_watcher(caf::actor_id who) {
    std::erase_if(local_watches_, [&](const local_watch& w) {
      if (w.who != who) return false;
      fans_.at(w.kind).close(w.id, true, "its watcher is gone");
      return true;
    });
  }

  void pass_minute() {
    self_->delayed_send(rt::strong<gate_actor>(self_), config_.fan.bookmark_every, minute_passed{});
    for (auto& [kind, fan] : fans_) fan.bookmark(world_->wall->now());
    pages_.expire(world_->shard->now());
  }

  struct local_watch {
    std::uint64_t number;
    caf::actor_id who;
    std::uint16_t kind;
    watch_fan::watcher_id id;
  };

  rt::self<gate_actor> self_;
  const rt::world* world_ = nullptr;
  gate_config config_;
  guard guard_;
  std::map<std::uint16_t, kind_keeper_actor> keepers_;
  tunnel::dialer_actor nodes_;
  std::map<std::uint16_t, watch_fan> fans_;
  std::map<std::pair<std::uint16_t, watch_fan::watcher_id>, net::timer_id> watch_timers_;
  kept_pages pages_;
  std::vector<local_watch> local_watches_;
  std::size_t writes_open_ = 0;
  std::size_t turns_ = 0;           ///< Of services/proxy: whose pod is next.
  std::optional<mono_time> away_;   ///< Since when the datastore has no leader.
  rng dice_{0};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

gate_actor make_gate(const rt::world& in, gate_config config, std::map<std::uint16_t, kind_keeper_actor> keepers,
                     tunnel::dialer_actor nodes) {
  return rt::spawn_pinned<gate_actor, gate_state>(in, "", in, std::move(config), std::move(keepers), std::move(nodes));
}

}  // namespace troupe::apiserver
