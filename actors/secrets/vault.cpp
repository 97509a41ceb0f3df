#include "actors/secrets/vault.hpp"

#include <algorithm>

#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/bytes.hpp"
#include "basis/log.hpp"

namespace troupe::secrets {

result<void> keep_encryption(const rt::world& in, const std::string& folder, const encryption& what, std::string_view stage) {
  const auto text = render_encryption(what);
  if (auto done = in.files->write(folder + std::string(config_file), text, 0600); !done.ok()) return done;
  const progress state{std::string(stage), to_hex(in.issuer->sha256(text))};
  return in.files->write(folder + std::string(state_file), render_progress(state), 0600);
}

result<encryption> make_encryption(const rt::world& in, const std::string& folder) {
  encryption out;
  out.keys.push_back({std::string(first_key_name), secret_text(in.chance->draw(net::tls::envelope_key_bytes))});
  if (auto done = keep_encryption(in, folder, out, stage_start); !done.ok()) return done.why();
  return out;
}

net::tls::named_key fresh_key(const rt::world& in) {
  return {std::string(first_key_name) + "-" + to_rfc3339(in.wall->now()), secret_text(in.chance->draw(net::tls::envelope_key_bytes))};
}

namespace {

class vault_state {
 public:
  static constexpr const char* name = "vault";
  explicit vault_state(rt::self<vault_actor> self) : self_(self) {}

  void init(const rt::world& in, vault_config config, rewriter_actor secrets) {
    world_ = &in;
    config_ = std::move(config);
    secrets_ = std::move(secrets);
    now_ = std::move(config_.now);
    if (now_ && !config_.keys) self_->send(rt::strong<vault_actor>(self_), rewriting_due{});
  }

  vault_actor::behavior_type make_behavior() {
    return {
        [this](tell_encryption ask) { return tell(ask); },
        [this](const change_encryption& ask) { return change(ask.wanted); },
        [this](const change_token& ask) { return change_password(ask.wanted); },
        [this](const replace_authorities& ask) { return replace(ask); },
        [this](rewriting_due) { resume(); },
    };
  }

 private:
  std::string path(std::string_view file) const { return config_.folder + std::string(file); }

  // --- what is asked ---------------------------------------------------------------------------

  caf::result<encryption_told> tell(tell_encryption ask) {
    if (config_.keys) return self_->delegate(config_.keys, ask);
    return encryption_told{status()};
  }
  json status() const {
    auto out = status_of(now_ ? &*now_ : nullptr);
    if (!now_) return out;
    const auto text = world_->files->read(path(config_file)), state = world_->files->read(path(state_file));
    const auto kept = state.ok() ? parse_progress(*state) : result<progress>(state.why());
    out["stage"] = kept.ok() ? kept->stage : "";
    if (!text.ok() || !kept.ok() || kept->digest != to_hex(world_->issuer->sha256(*text))) {
      out["hashmatch"] = false;
      out["hasherror"] = "hash does not match between encryption-config.json and encryption-state.json of this server";
    }
    return out;
  }

  caf::result<encryption_told> change(const json& wanted) {
    if (config_.keys) return self_->delegate(config_.keys, change_encryption{wanted});
    if (asked_ || rewriting_) return rt::refuse(errc::overloaded, "Secrets are being stored anew; ask again when that is done");
    auto next = changed_encryption(now_ ? &*now_ : nullptr, wanted, fresh_key(*world_));
    if (!next.ok()) return rt::refuse(next.why());
    // The key is on disk before anything is stored under it.
    if (auto done = keep_encryption(*world_, config_.folder, *next, stage_active); !done.ok()) return rt::refuse(done.why());
    now_ = std::move(*next);
    log::info("secrets.encryption_changed", {{"enabled", now_->enabled}, {"keys", now_->keys.size()}});
    asked_ = self_->make_response_promise<encryption_told>();
    auto answer = *asked_;
    rewrite();
    return answer;
  }

  caf::result<passwords_changed> change_password(const secret_text& wanted) {
    if (config_.tokens) return self_->delegate(config_.tokens, change_token{wanted});
    auto done = config_.change_token(wanted);
    if (!done.ok()) return rt::refuse(done.why());
    log::info("secrets.token_changed");
    return std::move(*done);
  }

  caf::result<bool> replace(const replace_authorities& ask) {
    if (config_.tokens) return self_->delegate(config_.tokens, ask);
    if (auto done = config_.replace_authorities(ask.offered, ask.force); !done.ok()) return rt::refuse(done.why());
    log::warn("secrets.authorities_wait", {{"next", "restart this server, then the agents"}});
    return true;
  }

  // --- storing anew ----------------------------------------------------------------------------

  void rewrite() {
    written_ = 0;
    rewriting_ = true;
    self_->request(secrets_, caf::infinite, use_envelope{envelope_of(&*now_)})
        .then([this](bool) { step(); }, [this](caf::error& why) { later(rt::reason(why)); });
  }
  void resume() {
    if (!std::exchange(rewriting_, true)) step();
  }
  void step() {
    self_->request(secrets_, caf::infinite, rewrite_stale{})
        .then([this](const rewritten& got) { judge(got); }, [this](caf::error& why) { later(rt::reason(why)); });
  }
  void judge(const rewritten& got) {
    written_ += got.done;
    if (got.left > 0) return step();
    rewriting_ = false;
    if (written_ > 0) log::info("secrets.stored_anew", {{"secrets", written_}});
    if (now_->keys.size() > 1 && got.unreadable > 0) return keep_old_keys(got.unreadable);
    if (auto done = finish(); !done.ok()) return answer(done.why());
    if (asked_) asked_->deliver(encryption_told{status()});
    asked_.reset();
  }

  /// Nothing is stored under the old keys any more: they go.
  result<void> finish() {
    const auto text = world_->files->read(path(state_file));
    const auto kept = text.ok() ? parse_progress(*text) : result<progress>(text.why());
    if (now_->keys.size() == 1 && written_ == 0 && kept.ok() && kept->stage != stage_active && status()["hashmatch"] == true) return {};
    auto last = *now_;
    last.keys.resize(1);
    if (auto done = keep_encryption(*world_, config_.folder, last, stage_finished); !done.ok()) return done;
    now_ = std::move(last);
    rt::post(secrets_, use_envelope{envelope_of(&*now_)});
    return {};
  }

  // Whoever finds out why they cannot be read may need the old keys for it.
  void keep_old_keys(std::size_t unreadable) {
    log::error("secrets.old_keys_kept", {{"unreadable", unreadable}});
    answer(fail(errc::corrupt, "every Secret that can be read is stored under the new key, and the old keys are kept, because " + std::to_string(unreadable) +
                                   " in the datastore cannot be read: the log names them (apiserver.object_unreadable)"));
  }

  void later(const error& why) {
    rewriting_ = false;
    if (why.note != std::exchange(last_trouble_, why.note)) log::warn("secrets.storing_anew_interrupted", {{"why", why.note}});
    self_->delayed_send(rt::strong<vault_actor>(self_), config_.retry, rewriting_due{});
    answer(fail(why.code, "not every Secret is stored anew yet, and the server goes on with it: " + why.note));
  }
  void answer(const error& why) {
    if (asked_) asked_->deliver(rt::refuse(why));
    asked_.reset();
  }

  rt::self<vault_actor> self_;
  const rt::world* world_ = nullptr;
  vault_config config_;
  rewriter_actor secrets_;
  std::optional<encryption> now_;
  std::optional<caf::typed_response_promise<encryption_told>> asked_;
  std::string last_trouble_;
  std::size_t written_ = 0;
  bool rewriting_ = false;
};

}  // namespace

vault_actor make_vault(const rt::world& in, vault_config config, rewriter_actor secrets) {
  return rt::spawn<vault_actor, vault_state>(in, "secrets", in, std::move(config), std::move(secrets));
}

}  // namespace troupe::secrets
