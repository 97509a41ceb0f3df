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
    if (news.lost) return known_.clear(), follow();
    for (const auto& one : *news.changes) {
      if (one.erased) known_.erase(one.key);
      else hear(one.key, one.value.view(), one.at);
    }
  }
  void hear(const std::string& key, std::string_view value, storage::revision at) {
    auto& known = known_[key];
    if (at <= known) return;
    known = at;
    if (key != token_key) return;
    const auto token = net::tls::unseal(config_.seal, value);
    if (!token.ok()) return log::error("secrets.token_record_unreadable", {{"why", token.why().note}});
    if (*token == config_.now.reveal()) return;
    if (use(secret_text(*token)).ok()) return;
    known = 0;   // a disk that is full may have room later
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
    auto data = config_.bootstrap(config_.now);
    if (!data.ok()) return log::warn("secrets.bootstrap_not_kept", {{"why", data.why().note}});
    self_->request(store_, caf::infinite, datastore::commit_operation{std::move(*data)})
        .then([](const storage::outcome& got) {
                using kind = storage::outcome::kind;
                if (got.what == kind::committed) log::info("secrets.bootstrap_kept", {{"at", got.at}});
                else if (got.what != kind::conflict) log::warn("secrets.bootstrap_not_kept", {{"why", got.note}});
              },
              [](caf::error& why) { log::warn("secrets.bootstrap_not_kept", {{"why", rt::reason(why).note}}); });
  }

  // --- changing it -----------------------------------------------------------------------------

  caf::result<passwords_changed> change(const secret_text& given) {
    if (busy_) return rt::refuse(errc::overloaded, "the token is being changed; ask again when that is done");
    auto wanted = config_.check(given);
    if (!wanted.ok()) return rt::refuse(wanted.why());
    auto data = config_.bootstrap(*wanted);
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
  bool busy_ = false;
};

}  // namespace

token_keeper_actor make_token_keeper(const rt::world& in, token_config config, datastore::writer_actor store) {
  return rt::spawn<token_keeper_actor, token_keeper_state>(in, "", in, std::move(config), std::move(store));
}

}  // namespace troupe::secrets
