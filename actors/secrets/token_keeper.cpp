#include "actors/secrets/token_keeper.hpp"

#include <map>

#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/bytes.hpp"
#include "basis/log.hpp"
#include "net/tls/sealing.hpp"

// A change, on the server that is asked; each arrow is one step in the store:
//
//   bootstrap data under the new token --> the token's record (from here on it holds) --> own files, answer --> old data goes
//
// The others hear of the record and do as it says; so does a server that finds it when it starts.

namespace troupe::secrets {

secret_text token_seal(net::tls::issuer& issuer, const secret_text& ca_key) {
  return secret_text(to_hex(issuer.sha256("token of a cluster of servers\n" + std::string(ca_key.reveal()))));
}

namespace {

constexpr unsigned tries_max = 3;

class token_keeper_state {
 public:
  static constexpr const char* name = "token_keeper";
  explicit token_keeper_state(rt::self<token_keeper_actor> self) : self_(self) {}

  void init(const rt::world& in, token_config config, datastore::writer_actor store) {
    world_ = &in;
    config_ = std::move(config);
    store_ = std::move(store);
    follow();
  }

  token_keeper_actor::behavior_type make_behavior() {
    return {
        [this](const change_token& ask) { return change(ask.wanted); },
        [this](const replace_authorities& ask) { return replace(ask); },
        [this](const datastore::changes_published& news) { hear_all(news); },
        [this](following_due) { follow(); },
    };
  }

 private:
  struct changing {
    secret_text wanted;
    std::map<std::string, storage::revision> old;   ///< Bootstrap data under other tokens.
    caf::typed_response_promise<passwords_changed> answer;
  };
  using changing_ptr = std::shared_ptr<changing>;

  // --- what the store says ---------------------------------------------------------------------

  void follow() {
    auto me = caf::actor_cast<datastore::follower_actor>(rt::strong<token_keeper_actor>(self_));
    self_->request(store_, caf::infinite, datastore::follow_prefix{bootstrap_prefix, me})
        .then([this](const storage::page& got) {
                for (const auto& one : got.records) hear(one.key, one.value.view(), one.modified);
                keep_bootstrap();
              },
              [this](caf::error&) { self_->delayed_send(rt::strong<token_keeper_actor>(self_), config_.retry, following_due{}); });
  }
  void hear_all(const datastore::changes_published& news) {
    if (news.lost) return known_.clear(), data_.clear(), follow();
    for (const auto& one : *news.changes) {
      if (one.erased) known_.erase(one.key), data_.erase(one.key);
      else hear(one.key, one.value.view(), one.at);
    }
  }
  void hear(const std::string& key, std::string_view value, storage::revision at) {
    auto& known = known_[key];
    if (at <= known) return;
    known = at;
    if (key != token_key) return data_[key] = value, look_at_authorities(key);
    const auto token = open_record(config_.seal, config_.others, value);
    if (!token.ok())
      return log::error("secrets.token_record_unreadable", {{"why", token.why().note}, {"next", "if token and authorities were both changed while this server was away, "
                                                                                             "start it with --server of another one and the --token that holds now"}});
    if (token->by_former) seal_anew(token->text, at);
    if (token->text == config_.now.reveal()) return;
    if (use(secret_text(token->text)).ok()) return look_at_authorities(config_.key(config_.now));
    known = 0;   // a disk that is full may have room later
    follow_later();
  }
  void follow_later() {
    self_->delayed_send(rt::strong<token_keeper_actor>(self_), config_.retry, following_due{});
  }
  result<passwords_changed> use(const secret_text& password) {
    auto done = config_.apply(password);
    if (!done.ok()) return log::error("secrets.token_not_written", {{"why", done.why().note}}), done;
    config_.now = password;
    log::info("secrets.token_changed");
    return done;
  }

  /// So that a snapshot, or another server on the same etcd, has what it needs. Only when the token that holds is known: data
  /// under a former one would open the cluster to it again.
  void keep_bootstrap() {
    if (known_.contains(config_.key(config_.now))) return;
    auto data = config_.bootstrap(config_.now, nullptr);
    if (!data.ok()) return log::warn("secrets.bootstrap_not_kept", {{"why", data.why().note}});
    self_->request(store_, caf::infinite, datastore::commit_operation{std::move(*data)})
        .then([](const storage::outcome& got) {
                using kind = storage::outcome::kind;
                if (got.what == kind::committed) log::info("secrets.bootstrap_kept", {{"at", got.at}});
                else if (got.what != kind::conflict) log::warn("secrets.bootstrap_not_kept", {{"why", got.note}});
              },
              [](caf::error& why) { log::warn("secrets.bootstrap_not_kept", {{"why", rt::reason(why).note}}); });
  }

  /// This server has another authority than the one that sealed it, and others will have, too.
  void seal_anew(const std::string& token, storage::revision at) {
    auto sealed = net::tls::seal(config_.seal, token, world_->chance->draw(net::tls::sealing_salt_bytes), world_->chance->draw(net::tls::sealing_nonce_bytes));
    if (!sealed.ok()) return;
    storage::operation record{storage::operation::kind::update, token_key, bytes(std::move(*sealed)), at};
    self_->request(store_, caf::infinite, datastore::commit_operation{std::move(record)})
        .then([](const storage::outcome& got) { if (got.what == storage::outcome::kind::committed) log::info("secrets.token_sealed_anew"); }, [](caf::error&) {});
  }

  // --- authorities -----------------------------------------------------------------------------

  /// Data under another token than the one that holds says nothing.
  void look_at_authorities(const std::string& key) {
    const auto found = data_.find(key);
    if (key != config_.key(config_.now) || found == data_.end()) return;
    const auto got = config_.take(config_.now, found->second);
    if (!got.ok()) {
      const bool full = got.code() == errc::internal;
      log::error("secrets.authorities_not_kept", {{"why", got.why().note}});
      if (full) known_[key] = 0, follow_later();
      return;
    }
    if (*got == heard::staged) log::warn("secrets.authorities_wait", {{"next", "the cluster has other authorities: restart this server"}});
    if (*got == heard::stale) write_anew(key);
  }
  void write_anew(const std::string& key) {
    auto data = config_.bootstrap(config_.now, nullptr);
    if (!data.ok()) return log::warn("secrets.bootstrap_not_kept", {{"why", data.why().note}});
    data->what = storage::operation::kind::update;
    data->expected = known_[key];
    self_->request(store_, caf::infinite, datastore::commit_operation{std::move(*data)}).then([](const storage::outcome&) {}, [](caf::error&) {});
  }

  caf::result<bool> replace(const replace_authorities& ask) {
    if (busy_) return rt::refuse(errc::overloaded, "the token or the authorities are being changed; ask again when that is done");
    auto files = config_.judge(ask.offered, ask.force);
    if (!files.ok()) return rt::refuse(files.why());
    auto data = config_.bootstrap(config_.now, *files);
    if (!data.ok()) return rt::refuse(data.why());
    if (const auto found = known_.find(data->key); found != known_.end()) data->what = storage::operation::kind::update, data->expected = found->second;
    busy_ = true;
    auto answer = self_->make_response_promise<bool>();
    // From here on they are the cluster's, whether or not this server lives to say so.
    self_->request(store_, caf::infinite, datastore::commit_operation{std::move(*data)})
        .then([this, answer, files = *files](const storage::outcome& got) {
                busy_ = false;
                auto to = answer;
                if (got.what != storage::outcome::kind::committed) {
                  to.deliver(rt::refuse(got.what == storage::outcome::kind::conflict ? errc::conflict : errc::unavailable, "the datastore did not take them, nothing has changed; ask again" + (got.note.empty() ? "" : ": " + got.note)));
                  return;
                }
                if (auto kept = config_.stage(files); !kept.ok()) {
                  to.deliver(rt::refuse(errc::internal, "the cluster has the new authorities, but this server cannot write them down: " + kept.why().note));
                  return;
                }
                log::warn("secrets.authorities_wait", {{"next", "restart the servers one after the other, then the agents"}});
                to.deliver(true);
              },
              [this, answer](caf::error& why) {
                busy_ = false;
                auto to = answer;
                to.deliver(rt::refuse(errc::unavailable, "the authorities are what they were, unless the log says secrets.authorities_wait: " + rt::reason(why).note));
              });
    return answer;
  }

  // --- changing it -----------------------------------------------------------------------------

  caf::result<passwords_changed> change(const secret_text& given) {
    if (busy_) return rt::refuse(errc::overloaded, "the token or the authorities are being changed; ask again when that is done");
    auto wanted = config_.check(given);
    if (!wanted.ok()) return rt::refuse(wanted.why());
    auto data = config_.bootstrap(*wanted, nullptr);
    if (!data.ok()) return rt::refuse(data.why());
    auto sealed = net::tls::seal(config_.seal, wanted->reveal(), world_->chance->draw(net::tls::sealing_salt_bytes), world_->chance->draw(net::tls::sealing_nonce_bytes));
    if (!sealed.ok()) return rt::refuse(sealed.why());
    auto run = std::make_shared<changing>();
    run->wanted = *wanted;
    for (const auto& [key, at] : known_)
      if (key != token_key && key != data->key) run->old.emplace(key, at);
    busy_ = true;
    run->answer = self_->make_response_promise<passwords_changed>();
    auto answer = run->answer;
    storage::operation record{storage::operation::kind::create, token_key, bytes(std::move(*sealed)), 0};
    put(run, std::move(*data), [this, run, record] { put(run, record, [this, run] { settle(run); }); });
    return answer;
  }

  void put(const changing_ptr& run, storage::operation what, std::function<void()> then, unsigned tries = 0) {
    if (const auto found = known_.find(what.key); found != known_.end() && found->second > what.expected) what.expected = found->second;
    what.what = what.expected > 0 ? storage::operation::kind::update : storage::operation::kind::create;
    self_->request(store_, caf::infinite, datastore::commit_operation{what})
        .then([this, run, what, then, tries](const storage::outcome& got) {
                if (got.what == storage::outcome::kind::committed) return then();
                if (got.what != storage::outcome::kind::conflict || tries >= tries_max)
                  return give_up(run, "the datastore did not take it" + (got.note.empty() ? "" : ": " + got.note));
                auto again = what;
                again.expected = got.present ? got.present->modified : 0;
                known_[what.key] = again.expected;
                put(run, again, then, tries + 1);
              },
              [this, run](caf::error& why) { give_up(run, rt::reason(why).note); });
  }

  void settle(const changing_ptr& run) {
    busy_ = false;
    auto done = use(run->wanted);
    if (done.ok()) run->answer.deliver(*done);
    else run->answer.deliver(rt::refuse(errc::internal, "the cluster has the new token, but this server cannot write it down: " + done.why().note));
    for (const auto& [key, at] : run->old) {
      storage::operation erase{storage::operation::kind::erase, key, {}, at};
      self_->request(store_, caf::infinite, datastore::commit_operation{std::move(erase)}).then([](const storage::outcome&) {}, [](caf::error&) {});
    }
  }
  // Whatever became of it: the record decides, and this server hears of it like all others.
  void give_up(const changing_ptr& run, const std::string& why) {
    busy_ = false;
    run->answer.deliver(rt::refuse(errc::unavailable, "the token is what it was, unless the log says secrets.token_changed: " + why));
  }

  rt::self<token_keeper_actor> self_;
  const rt::world* world_ = nullptr;
  token_config config_;
  datastore::writer_actor store_;
  std::map<std::string, storage::revision> known_;   ///< Keys of bootstrap data and when they last changed.
  std::map<std::string, std::string> data_;          ///< The data itself, sealed: one for each token there is or was a moment ago.
  bool busy_ = false;
};

}  // namespace

token_keeper_actor make_token_keeper(const rt::world& in, token_config config, datastore::writer_actor store) {
  return rt::spawn<token_keeper_actor, token_keeper_state>(in, "", in, std::move(config), std::move(store));
}

}  // namespace troupe::secrets
