#include "actors/registration/enrolment.hpp"

#include <algorithm>

#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"
#include "net/http/client.hpp"
#include "net/http/wire.hpp"
#include "net/tls/signing/bundle.hpp"

namespace troupe::registration {

namespace {
result<std::string> load_or_make(const rt::world& in, const std::string& path, std::size_t raw_bytes, unsigned mode) {
  for (int tries = 0; tries < 2; ++tries) {
    auto present = in.files->read(path);
    if (present.ok()) {
      while (!present->empty() && static_cast<unsigned char>(present->back()) <= ' ') present->pop_back();
      if (present->empty()) return fail(errc::corrupt, path + " is empty; remove it to have a new one made");
      return present;
    }
    if (present.code() != errc::not_found) return present;
    // Two starts at once must end up with one password: whoever comes second reads the first one's.
    const auto made = in.files->create(path, to_hex(in.chance->draw(raw_bytes)) + "\n", mode);
    if (!made.ok() && made.code() != errc::already_exists) return made.why();
  }
  return fail(errc::internal, path + " keeps disappearing");
}
}  // namespace

result<secret_text> load_password(const rt::world& in, const std::string& folder) {
  if (auto made = in.files->make_folder(folder, 0755); !made.ok()) return made.why();
  auto text = load_or_make(in, folder + "/password", 16, 0600);
  if (!text.ok()) return text.why();
  return secret_text(std::move(*text));
}

result<std::string> load_node_id(const rt::world& in, const std::string& folder) {
  if (auto made = in.files->make_folder(folder, 0755); !made.ok()) return made.why();
  return load_or_make(in, folder + "/id", 4, 0644);
}

namespace {

class enrolment_state {
 public:
  static constexpr const char* name = "enrolment";
  explicit enrolment_state(rt::self<enrolment_actor> self) : self_(self) {}
  ~enrolment_state() { alive_.reset(); }

  void init(const rt::world& in, enrolment_config config, applicant_actor owner) {
    world_ = &in;
    config_ = std::move(config);
    owner_ = std::move(owner);
    dice_ = in.dice.fork("enrolment").fork(config_.node.text);
    delay_ = config_.delay_first;
  }

  enrolment_actor::behavior_type make_behavior() {
    return {
        [this](start_enrolment) { start(); },
        [this](answer_arrived& got) { hear(got); },
        [this](answer_missing& got) { miss(got.attempt, got.why); },
        [this](retry_due) { if (handshake_) step(); },
        [this](kept_due) { use_kept(); },
        [this](renewal_due) { look_at_renewal(); },
    };
  }

 private:
  void start() {
    self_->delayed_send(rt::strong<enrolment_actor>(self_), config_.kept_after, kept_due{});
    apply();
  }

  void apply() {
    auto applicant = prepare();
    if (!applicant.ok()) return refuse(applicant.why().note);
    delay_ = config_.delay_first;
    auto* issuer = world_->issuer;
    handshake_.emplace(std::move(*applicant), [issuer](std::string_view pem) { return issuer->ca_digest(pem); },
                       [issuer](std::string_view bundle, std::string_view digest) { return net::tls::pinned_certificate(*issuer, bundle, digest); });
    step();
  }

  std::string path(const char* file) const { return config_.agent_folder + "/" + file; }

  result<secret_text> key(const char* file) {
    auto present = world_->files->read(path(file));
    if (present.ok()) return secret_text(std::move(*present));
    if (present.code() != errc::not_found) return present.why();
    auto made = world_->issuer->make_key();
    if (auto stored = world_->files->write(path(file), made.reveal(), 0600); !stored.ok()) return stored.why();
    return made;
  }

  result<application> prepare() {
    application out;
    out.node = config_.node;
    auto with = parse_token(config_.token.reveal());
    if (!with.ok()) return with.why();
    out.with = std::move(*with);
    auto password = load_password(*world_, config_.identity_folder);
    if (!password.ok()) return password.why();
    out.password = std::move(*password);
    out.internal_addresses = out.all_addresses = config_.addresses;
    if (auto made = world_->files->make_folder(config_.agent_folder, 0700); !made.ok()) return made.why();
    const struct { const char* file; secret_text& key; std::string& request; } keys[] = {
        {"client-kubelet.key", out.client_key, out.client_request},
        {"serving-kubelet.key", out.serving_key, out.serving_request},
        {"client-k3s-controller.key", out.controller_key, out.controller_request}};
    for (const auto& k : keys) {
      auto loaded = key(k.file);
      if (!loaded.ok()) return loaded.why();
      k.key = std::move(*loaded);
      auto request = world_->issuer->make_request(k.key);
      if (!request.ok()) return fail(errc::corrupt, path(k.file) + " is no key; remove it to have a new one made");
      k.request = std::move(*request);
    }
    if (auto present = world_->files->read(path("client-kubelet.crt")); present.ok()) out.present = {*present, out.client_key};
    return out;
  }

  void step() {
    auto next = handshake_->next();
    if (auto* end = std::get_if<hopeless>(&next)) return refuse(end->why);
    if (std::holds_alternative<complete>(next)) return finish();
    send(std::get<next_request>(std::move(next)));
  }

  void refuse(const std::string& why) {
    handshake_.reset();
    if (admitted_) {   // the node works on with what it has, which lasts as long again
      log::error("registration.renewal_refused", {{"node", config_.node.text}, {"why", why}});
      self_->delayed_send(rt::strong<enrolment_actor>(self_), config_.renewal_retry, renewal_due{});
      return;
    }
    log::error("registration.enrolment_refused", {{"node", config_.node.text}, {"why", why}});
    self_->send(owner_, enrolment_refused{why});
  }

  // --- one request, on a connection of its own --------------------------------------------------

  template <class F>
  auto guarded(std::uint64_t attempt, F body) {
    return [this, attempt, alive = std::weak_ptr(alive_), body = std::move(body)](auto&&... xs) mutable {
      if (!alive.expired() && attempt == attempt_) body(std::forward<decltype(xs)>(xs)...);
    };
  }

  void send(next_request what) {
    const auto attempt = ++attempt_;
    const auto server = config_.servers[turn_ % config_.servers.size()];
    net::tls::client_options with;
    if (what.verified) with.trust = handshake_->trust();
    with.server_name = server.host;
    if (what.with_certificate) with.self = handshake_->applicant().present;
    auto context = world_->tls->make_client(with);
    if (!context.ok()) return miss(attempt, context.why());
    auto request = std::make_shared<net::http::request>();
    request->method = std::move(what.method);
    request->path = std::move(what.path);
    request->body = std::move(what.body);
    request->headers.add("connection", "close");
    for (auto& [name, value] : what.headers) request->headers.add(name, value);
    world_->dialer->dial(server, config_.attempt_limit, guarded(attempt, [this, attempt, server, request, context = *context](result<net::stream_ptr> raw) {
      if (!raw.ok()) return miss(attempt, raw.why());
      world_->tls->connect(*world_->shard, std::move(*raw), context, guarded(attempt, [this, attempt, server, request](result<net::stream_ptr> safe) {
        if (!safe.ok()) return miss(attempt, safe.why());
        connection_ = net::http::attach(*world_->shard, std::move(*safe));
        net::http::fetch(*connection_, *request, to_string(server), config_.attempt_limit,
                         guarded(attempt, [this, attempt](result<net::http::response> got) {
          auto me = rt::strong<enrolment_actor>(self_);
          if (got.ok()) compare_clocks(got->headers.get("date"));
          if (got.ok()) rt::post(me, answer_arrived{attempt, got->status, got->body.str()});
          else rt::post(me, answer_missing{attempt, got.why()});
        }), 1024 * 1024);
      }));
    }));
  }

  /// Said once, and again when it has been right meanwhile. Nothing is believed for its sake: until the server has proved itself
  /// anybody may have said it.
  void compare_clocks(std::string_view date) {
    const auto now = world_->wall->now();
    server_clock_ = date;
    const bool differ = net::http::clock_gap(date, now) > config_.clock_gap_max;
    if (differ && !clocks_differ_)
      log::warn("registration.clocks_differ", {{"ours", net::http::http_date(now)}, {"server", std::string(date)}, {"next", "set the wrong one right (`timedatectl`)"}});
    else if (!differ && clocks_differ_)
      log::info("registration.clocks_agree", {{"server", std::string(date)}});
    clocks_differ_ = differ;
  }

  void hear(const answer_arrived& got) {
    if (got.attempt != attempt_) return;
    connection_.reset();
    const auto taken = handshake_->answer(got.status, got.body);
    if (!taken.ok()) return miss(attempt_, taken.why());
    step();
  }

  void miss(std::uint64_t attempt, const error& why) {
    if (attempt != attempt_) return;
    ++attempt_;
    const auto server = config_.servers[turn_ % config_.servers.size()];
    // One line when it begins to fail and whenever the reason changes, not one per try.
    const std::string text = to_string(server) + ": " + why.text() + (is_about_time(why) ? "; this machine's clock shows " + to_rfc3339(world_->wall->now()) + (server_clock_.empty() ? ": set it right" : ", the server's " + server_clock_ + ": set the wrong one right") + ", it is tried again" : "");
    if (text != std::exchange(last_miss_, text))
      log::warn("registration.server_missed", {{"server", to_string(server)}, {"why", text.substr(to_string(server).size() + 2)}, {"next", "trying on"}});
    if (++turn_; why.code == errc::untrusted) {
      // It may be ours that is not trusted any more: then the token decides.
      if (handshake_->shows_certificate() && why.note.find("alert") != std::string::npos) handshake_->forget_certificate();
      handshake_->restart();
    }
    const auto spread = static_cast<std::int64_t>(dice_.below(static_cast<std::uint64_t>(delay_.count() / 2) + 1));
    self_->delayed_send(rt::strong<enrolment_actor>(self_), delay_ / 2 + duration(spread), retry_due{});
    delay_ = std::min(delay_ * 2, config_.delay_max);
  }

  static bool is_about_time(const error& why) {
    return why.code == errc::untrusted && (why.note.find("not yet valid") != std::string::npos || why.note.find("has expired") != std::string::npos);
  }

  // --- what an earlier start left behind -------------------------------------------------------

  /// With every server away the node still starts: what runs on it is not theirs.
  void use_kept() {
    if (admitted_ || kept_told_ || !handshake_) return;
    auto kept = std::make_shared<grant>();
    const auto& who = handshake_->applicant();
    kept->node = config_.node;
    kept->kubelet_client.key = who.client_key;
    kept->kubelet_serving.key = who.serving_key;
    kept->controller.key = who.controller_key;
    std::string config;
    const std::pair<const char*, std::string*> files[] = {
        {"server-ca.crt", &kept->server_ca}, {"client-ca.crt", &kept->client_ca}, {"client-kubelet.crt", &kept->kubelet_client.certificates},
        {"serving-kubelet.crt", &kept->kubelet_serving.certificates}, {"client-k3s-controller.crt", &kept->controller.certificates}, {"config.json", &config}};
    for (const auto& [file, text] : files) {
      auto read = world_->files->read(path(file));
      if (!read.ok()) return;
      *text = std::move(*read);
    }
    auto parsed = parse_json(config);
    // The token pins the authority; a folder of another cluster is of no use.
    const auto& pinned = who.with.ca_digest;
    const auto facts = world_->issuer->read(kept->kubelet_client.certificates);
    if (!parsed.ok() || !facts.ok() || facts->common_name != "system:node:" + config_.node.text || facts->not_after <= world_->wall->now()) return;
    if (!pinned.empty() && pinned != world_->issuer->ca_digest(kept->server_ca) && net::tls::pinned_certificate(*world_->issuer, kept->server_ca, pinned).empty()) return;
    kept->config = std::move(*parsed);
    kept->servers = config_.servers;
    kept_told_ = true;
    log::warn("registration.started_with_kept", {{"node", config_.node.text}, {"why", last_miss_}, {"next", "no server answers; the node starts with what it last knew"}});
    self_->send(owner_, enrolled{std::move(kept), false});
  }

  // --- renewal ---------------------------------------------------------------------------------

  void plan_renewal(const std::string& certificate) {
    const auto facts = world_->issuer->read(certificate);
    const auto now = world_->wall->now();
    if (facts.ok()) renew_at_ = now + (facts->not_after - now) / 2;
    if (facts.ok() && facts->not_before > now) renew_at_ = now + config_.renewal_retry;   // one of the clocks is wrong: it may be refused once that is right
    self_->delayed_send(rt::strong<enrolment_actor>(self_), std::clamp<duration>(renew_at_ - now, std::chrono::seconds(1), config_.renewal_look), renewal_due{});
  }
  void look_at_renewal() {
    const auto now = world_->wall->now();
    if (handshake_) return;   // under way
    if (now < renew_at_) {
      self_->delayed_send(rt::strong<enrolment_actor>(self_), std::clamp<duration>(renew_at_ - now, std::chrono::seconds(1), config_.renewal_look), renewal_due{});
      return;
    }
    apply();
  }

  void finish() {
    auto out = std::make_shared<grant>();
    const auto& who = handshake_->applicant();
    out->node = config_.node;
    out->server_ca = handshake_->text("server-ca.crt");
    out->client_ca = handshake_->text("client-ca.crt");
    out->kubelet_client = {handshake_->text("client-kubelet.crt"), who.client_key};
    out->kubelet_serving = {handshake_->text("serving-kubelet.crt"), who.serving_key};
    out->controller = {handshake_->text("client-k3s-controller.crt"), who.controller_key};
    out->config = *parse_json(handshake_->text("config"));
    const auto list = parse_json(handshake_->text("apiservers"));
    for (const auto& one : *list)
      if (auto at = parse_endpoint(text_or(one), 6443); at.ok()) out->servers.push_back(std::move(*at));
    if (out->servers.empty()) out->servers = config_.servers;
    const auto config = handshake_->text("config");
    const std::pair<const char*, const std::string*> files[] = {
        {"config.json", &config}, {"server-ca.crt", &out->server_ca}, {"client-ca.crt", &out->client_ca},
        {"client-kubelet.crt", &out->kubelet_client.certificates}, {"serving-kubelet.crt", &out->kubelet_serving.certificates},
        {"client-k3s-controller.crt", &out->controller.certificates}};
    for (const auto& [file, text] : files)
      if (auto stored = world_->files->write(path(file), *text, 0600); !stored.ok()) return refuse(stored.why().note);
    log::info(admitted_ ? "registration.certificates_renewed" : "registration.node_enrolled", {{"node", config_.node.text}});
    admitted_ = true;
    handshake_.reset();
    plan_renewal(out->kubelet_client.certificates);
    self_->send(owner_, enrolled{std::move(out), true});
  }

  rt::self<enrolment_actor> self_;
  const rt::world* world_ = nullptr;
  enrolment_config config_;
  applicant_actor owner_;
  rng dice_{0};
  std::optional<handshake> handshake_;
  std::unique_ptr<net::http::client_connection> connection_;
  std::uint64_t attempt_ = 0;
  std::size_t turn_ = 0;
  duration delay_{};
  std::string last_miss_, server_clock_;   ///< As an answer's `date` said it.
  wall_time renew_at_{};
  bool admitted_ = false, kept_told_ = false, clocks_differ_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

enrolment_actor make_enrolment(const rt::world& in, enrolment_config config, applicant_actor owner) {
  std::string detail = config.node.text;
  return rt::spawn_pinned<enrolment_actor, enrolment_state>(in, std::move(detail), in, std::move(config), std::move(owner));
}

}  // namespace troupe::registration
