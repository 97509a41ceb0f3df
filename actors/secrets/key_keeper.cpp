#include "actors/secrets/key_keeper.hpp"

#include <map>

#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/secrets/vault.hpp"
#include "basis/bytes.hpp"
#include "basis/log.hpp"
#include "net/tls/sealing.hpp"

// A change, on the server that is asked:
//
//   record "prepare" --> all hold by it --> record "active" --> Secrets stored anew, all hold by it --> record "finished", answer
//
// Each server follows the records, holds by them and says so. Nobody leads: whoever sees that a stage may be left writes the next
// record, and the datastore takes one of them. The server that is asked does so at once, the others when nothing has gone on for
// a while, so that a change outlives the server that it was asked of.

namespace troupe::secrets {

secret_text keys_seal(net::tls::issuer& issuer, const secret_text& ca_key) {
  return secret_text(to_hex(issuer.sha256("keys of Secrets of a cluster of servers\n" + std::string(ca_key.reveal()))));
}

namespace {

constexpr duration pause_first = std::chrono::milliseconds(200), pause_max = std::chrono::minutes(1);

class key_keeper_state {
 public:
  static constexpr const char* name = "key_keeper";
  explicit key_keeper_state(rt::self<key_following_actor> self) : self_(self) {}

  void init(const rt::world& in, keys_config config, datastore::writer_actor store, rewriter_actor secrets, client::api_actor api) {
    world_ = &in;
    config_ = std::move(config);
    store_ = std::move(store);
    secrets_ = std::move(secrets);
    api_ = std::move(api);
    takeover_ = config_.takeover + std::chrono::milliseconds(world_->dice.fork("keys").fork(config_.node.text).below(static_cast<std::uint64_t>(config_.takeover / std::chrono::milliseconds(1)) + 1));
    follow();
  }

  key_following_actor::behavior_type make_behavior() {
    return {
        [this](tell_encryption) { return encryption_told{status()}; },
        [this](const change_encryption& ask) { return change(ask.wanted); },
        [this](learn_keys) { return learn(); },
        [this](const datastore::changes_published& news) { hear_all(news); },
        [this](keys_due due) { turn(due); },
    };
  }

 private:
  // --- what the store says ---------------------------------------------------------------------

  void follow() {
    auto me = caf::actor_cast<datastore::follower_actor>(rt::strong<key_following_actor>(self_));
    self_->request(store_, caf::infinite, datastore::follow_prefix{keys_prefix, me})
        .then([this](const storage::page& got) {
                for (const auto& one : got.records) hear(one.key, one.value.view(), one.modified);
                followed_ = true;
                start_out();
              },
              [this](caf::error&) { later(keys_due::what::follow, config_.retry); });
  }
  void hear_all(const datastore::changes_published& news) {
    if (news.lost) return servers_.clear(), follow();
    for (const auto& one : *news.changes) {
      if (!one.erased) hear(one.key, one.value.view(), one.at);
      else if (one.key.starts_with(keys_servers_prefix)) servers_.erase(one.key.substr(std::string_view(keys_servers_prefix).size()));
    }
    if (followed_) advance();
  }
  void hear(const std::string& key, std::string_view value, storage::revision at) {
    if (key == keys_key) return take(value, at);
    if (!key.starts_with(keys_servers_prefix)) return;
    auto& one = servers_[key.substr(std::string_view(keys_servers_prefix).size())];
    if (at <= one.at) return;
    one = {std::string(value), at};
    go_on();
  }
  void take(std::string_view value, storage::revision at) {
    if (at <= record_at_) return;
    record_at_ = at;
    const auto plain = open_record(config_.seal, config_.others, value);
    auto read = plain.ok() ? parse_record(plain->text) : result<key_record>(plain.why());
    if (!plain.ok() && wait_for_seal(value, plain.code())) return;
    unread_.reset();
    if (!read.ok()) {
      log::error("secrets.keys_unreadable", {{"why", read.why().note}});
      trouble_ = fail(errc::corrupt, std::string("what the cluster's servers agreed on about the keys of Secrets (") + keys_key + " in the datastore) cannot be read: " + read.why().note +
                                         "; restore a snapshot, or this server's tls/server-ca.key if it was replaced by hand");
      return answer_learners();
    }
    trouble_.reset();
    record_ = std::move(*read);
    digest_ = to_hex(world_->issuer->sha256(render_record(*record_)));
    anew_ = changing_ = false;
    go_on();
    if (followed_) hold();
    if (plain->by_former && record_->finished() && !putting_) put(*record_);   // who comes later has never had that authority
  }
  /// It may be sealed by an authority that this server is only about to hear of.
  bool wait_for_seal(std::string_view value, errc why) {
    if (why != errc::untrusted || !config_.others) return false;
    const auto now = world_->shard->now();
    if (!unread_ || unread_->at != record_at_) unread_ = unread{std::string(value), record_at_, now + config_.patience};
    if (now >= unread_->until) return false;
    later(keys_due::what::read, config_.retry);
    return true;
  }
  void read_again() {
    if (!unread_ || unread_->at != record_at_) return;
    const auto waits = *unread_;
    record_at_ = waits.at - 1;
    take(waits.value, waits.at);
  }
  void go_on() {
    progressed_ = world_->shard->now();
    pause_ = pause_first;
  }

  // --- holding by it ---------------------------------------------------------------------------

  /// The first time: what this server's files say is the cluster's when nobody has said anything yet.
  void start_out() {
    if (record_) return hold();
    if (unread_) return;
    if (trouble_) return answer_learners();
    known_ = true;   // the keeper of Secrets was made with what the files say
    answer_learners();
    if (!config_.now) return say();
    if (putting_) return;
    key_record first;
    first.keys = *config_.now;
    first.stage = stage_start;
    put(first);
  }
  void hold() {
    if (auto done = write_down(); !done.ok()) {
      log::warn("secrets.keys_not_written", {{"why", done.why().note}});   // they are used all the same, and not said to be held by
      later(keys_due::what::hold, config_.retry);
    }
    self_->request(secrets_, caf::infinite, use_envelope{envelope_of(&record_->keys)})
        .then([this, digest = digest_](bool) {
                if (digest != digest_) return;   // it is another one by now
                known_ = true;
                answer_learners();
                say();
                advance();
              },
              [this](caf::error&) { later(keys_due::what::hold, config_.retry); });
  }
  result<void> write_down() {
    const auto text = world_->files->read(config_.folder + std::string(config_file)), state = world_->files->read(config_.folder + std::string(state_file));
    const auto kept = state.ok() ? parse_progress(*state) : result<progress>(state.why());
    const auto wanted = render_encryption(record_->keys);
    written_ = text.ok() && kept.ok() && *text == wanted && kept->stage == record_->stage && kept->digest == to_hex(world_->issuer->sha256(wanted));
    if (written_) return {};
    auto done = keep_encryption(*world_, config_.folder, record_->keys, record_->stage);
    written_ = done.ok();
    if (written_) log::info("secrets.encryption_changed", {{"enabled", record_->keys.enabled}, {"keys", record_->keys.keys.size()}, {"stage", record_->stage}});
    return done;
  }
  /// That this server holds by the record, for the others. What its keeper of Secrets wrote before is in the store by then: it
  /// went the same way.
  void say() {
    if (!known_ || saying_ || (record_ && !written_)) return;
    const auto said = servers_.find(config_.node.text);
    if (said != servers_.end() && said->second.digest == digest_) return;
    saying_ = true;
    storage::operation what{storage::operation::kind::create, keys_servers_prefix + config_.node.text, bytes(std::string(digest_)), said == servers_.end() ? 0 : said->second.at};
    if (what.expected > 0) what.what = storage::operation::kind::update;
    self_->request(store_, caf::infinite, datastore::commit_operation{what})
        .then([this, digest = digest_](const storage::outcome& got) {
                saying_ = false;
                using kind = storage::outcome::kind;
                if (got.what == kind::committed) hear(keys_servers_prefix + config_.node.text, digest, got.at), advance();
                else if (got.what == kind::conflict && got.present) hear(keys_servers_prefix + config_.node.text, got.present->value.view(), got.present->modified);
                else if (got.what == kind::conflict) servers_.erase(config_.node.text);
                if (got.what == kind::committed || got.what == kind::conflict) say();
                else later(keys_due::what::hold, config_.retry);
              },
              [this](caf::error&) { saying_ = false, later(keys_due::what::hold, config_.retry); });
  }

  caf::result<bool> learn() {
    auto answer = self_->make_response_promise<bool>();
    learners_.push_back(answer);
    answer_learners();
    return answer;
  }
  void answer_learners() {
    if (!known_ && !trouble_) return;
    for (auto& one : std::exchange(learners_, {})) known_ ? one.deliver(true) : one.deliver(rt::refuse(*trouble_));
  }

  // --- going on with a change ------------------------------------------------------------------

  std::vector<std::string> silent() const {
    std::vector<std::string> out;
    for (const auto& [node, said] : servers_)
      if (said.digest != digest_) out.push_back(node);
    return out;
  }
  static std::string listed(const std::vector<std::string>& nodes) {
    std::string out;
    for (const auto& one : nodes) out += (out.empty() ? "" : ", ") + one;
    return out;
  }
  bool waited(duration much) const { return world_->shard->now() >= progressed_ + much; }

  void advance() {
    if (!record_ || record_->finished()) return settle();
    if (!known_ || putting_ || rewriting_) return;
    const auto missing = silent();
    if (mine_ || waited(takeover_)) {
      if (waited(config_.patience / 2))
        for (const auto& node : missing) look_for(node);
      if (record_->stage == stage_prepare) {
        // Who is away reads with the new key as soon as it is back and hears of it.
        if (missing.empty() || waited(config_.patience)) return put(next_record(*record_));
      } else if (!anew_) {
        return rewrite();
      } else if (missing.empty()) {
        if (!complete_) return anew_ = false, rewrite();   // what was written before all had said so
        if (unreadable_ > 0) return keep_old_keys();
        return put(next_record(*record_));
      } else if (waited(config_.patience)) {
        refuse_asked(fail(errc::unavailable, "every Secret is stored accordingly" + std::string(record_->keys.keys.size() > 1 ? ", and the old keys are kept" : "") +
                                                 ", but nothing is heard of " + listed(missing) + ": the change ends as soon as it is back, or its node deleted"));
      }
    }
    wait();
  }
  void wait() {
    if (std::exchange(waiting_, true)) return;
    pause_ = std::min<duration>(pause_ * 2, asked_ ? std::chrono::seconds(1) : pause_max);
    later(keys_due::what::advance, pause_);
  }
  void rewrite() {
    rewriting_ = true;
    const bool all = silent().empty();
    self_->request(secrets_, caf::infinite, rewrite_stale{})
        .then([this, all, digest = digest_](const rewritten& got) {
                rewriting_ = false;
                done_ += got.done;
                if (digest == digest_ && got.left == 0) {
                  if (done_ > 0) log::info("secrets.stored_anew", {{"secrets", std::exchange(done_, 0)}});
                  anew_ = true, complete_ = all, unreadable_ = got.unreadable;
                }
                advance();
              },
              [this](caf::error& why) {
                rewriting_ = false;
                const auto reason = rt::reason(why);
                if (reason.note != std::exchange(last_trouble_, reason.note)) log::warn("secrets.storing_anew_interrupted", {{"why", reason.note}});
                refuse_asked(fail(reason.code, "not every Secret is stored anew yet, and the servers go on with it: " + reason.note));
                wait();
              });
  }
  /// Whoever finds out why they cannot be read may need the old keys for it.
  void keep_old_keys() {
    anew_ = false;
    refuse_asked(fail(errc::corrupt, "every Secret that can be read is stored accordingly, and the old keys are kept, because " + std::to_string(unreadable_) +
                                         " in the datastore cannot be read: the log names them (apiserver.object_unreadable)"));
    log::error("secrets.old_keys_kept", {{"unreadable", unreadable_}});
    wait();
  }
  /// A server whose node is deleted does not come back as it was: nobody waits for it.
  void look_for(const std::string& node) {
    client::api_call call;
    call.method = "GET";
    call.path = "/api/v1/nodes/" + node;
    self_->request(api_, caf::infinite, std::move(call)).then([this, node](const client::api_answer& got) {
      const auto found = servers_.find(node);
      if (got.status != 404 || found == servers_.end() || found->second.digest == digest_) return;
      storage::operation gone{storage::operation::kind::erase, keys_servers_prefix + node, {}, found->second.at};
      self_->request(store_, caf::infinite, datastore::commit_operation{std::move(gone)}).then([](const storage::outcome&) {}, [](caf::error&) {});
    }, [](caf::error&) {});
  }

  void put(const key_record& what) {
    auto sealed = net::tls::seal(config_.seal, render_record(what), world_->chance->draw(net::tls::sealing_salt_bytes), world_->chance->draw(net::tls::sealing_nonce_bytes));
    if (!sealed.ok()) return refuse_asked(sealed.why());
    putting_ = true;
    const bytes value(std::move(*sealed));
    storage::operation one{record_at_ > 0 ? storage::operation::kind::update : storage::operation::kind::create, keys_key, value, record_at_};
    self_->request(store_, caf::infinite, datastore::commit_operation{std::move(one)})
        .then([this, value](const storage::outcome& got) {
                putting_ = false;
                using kind = storage::outcome::kind;
                if (got.what == kind::committed) return take(value.view(), got.at), advance();
                const bool refused = std::exchange(changing_, false);
                if (got.what == kind::conflict) {   // somebody else was faster: theirs is heard of like any other
                  if (refused) refuse_asked(fail(errc::overloaded, "another server was asked to change the keys at the same time; ask again when that is done"));
                  if (got.present) take(got.present->value.view(), got.present->modified);
                  return advance();
                }
                later(record_ ? keys_due::what::advance : keys_due::what::begin, config_.retry);
                if (refused) refuse_asked(fail(errc::unavailable, "the datastore did not take it" + (got.note.empty() ? "" : ": " + got.note)));
              },
              [this](caf::error& why) {
                putting_ = false;
                later(record_ ? keys_due::what::advance : keys_due::what::begin, config_.retry);
                if (!std::exchange(changing_, false)) return;
                refuse_asked(fail(errc::unavailable, rt::reason(why).note + "; `troupe secrets-encrypt status` tells whether it was taken"));
              });
  }

  // --- what is asked ---------------------------------------------------------------------------

  const encryption* current() const { return record_ ? &record_->keys : config_.now ? &*config_.now : nullptr; }
  json status() const {
    auto out = status_of(current());
    if (record_) out["stage"] = record_->stage;
    if (const auto missing = silent(); record_ && !missing.empty()) {
      out["hashmatch"] = false;
      out["hasherror"] = "hash does not match between " + config_.node.text + " and " + listed(missing);
    }
    return out;
  }

  caf::result<encryption_told> change(const json& wanted) {
    if (trouble_) return rt::refuse(*trouble_);
    if (!known_) return rt::refuse(errc::unavailable, "this server does not know the cluster's keys yet; ask again");
    if (asked_ || putting_ || (record_ && record_->stage == stage_prepare)) return rt::refuse(errc::overloaded, "the keys of Secrets are being changed; ask again when that is done");
    const auto* now = current();
    auto next = changed_encryption(now, wanted, fresh_key(*world_));
    if (!next.ok()) return rt::refuse(next.why());
    asked_ = self_->make_response_promise<encryption_told>();
    auto answer = *asked_;
    changing_ = mine_ = true;
    put(first_record(now, *next));
    return answer;
  }
  void settle() {
    if (!known_ || putting_ || changing_ || !record_ || record_->stage != stage_finished) return;
    mine_ = false;
    if (!asked_) return;
    // Whoever asked may look at any server next: it is answered when all hold by the last record, too. Nothing hangs on it.
    if (!silent().empty() && !waited(config_.patience)) return wait();
    asked_->deliver(encryption_told{status()});
    asked_.reset();
  }
  void refuse_asked(const error& why) {
    if (asked_) asked_->deliver(rt::refuse(why));
    asked_.reset();
  }

  void later(keys_due::what what, duration after) { self_->delayed_send(rt::strong<key_following_actor>(self_), after, keys_due{what}); }
  void turn(keys_due due) {
    using what = keys_due::what;
    if (due.why == what::follow) return follow();
    if (due.why == what::read) return read_again();
    if (due.why == what::begin && !record_) return start_out();
    if (due.why == what::hold) return record_ ? hold() : say();
    waiting_ = false;
    advance();
  }

  struct said { std::string digest; storage::revision at = 0; };
  struct unread { std::string value; storage::revision at = 0; mono_time until; };
  rt::self<key_following_actor> self_;
  const rt::world* world_ = nullptr;
  keys_config config_;
  datastore::writer_actor store_;
  rewriter_actor secrets_;
  client::api_actor api_;
  std::optional<key_record> record_;
  storage::revision record_at_ = 0;
  std::string digest_;                        ///< Of the record; empty: there is none.
  std::map<std::string, said> servers_;       ///< By node: what it holds by.
  std::optional<unread> unread_;              ///< No seal opens it yet.
  std::optional<error> trouble_;              ///< Why the record cannot be read.
  std::vector<caf::typed_response_promise<bool>> learners_;
  std::optional<caf::typed_response_promise<encryption_told>> asked_;
  mono_time progressed_{};
  duration takeover_{}, pause_ = pause_first;
  std::string last_trouble_;
  std::size_t done_ = 0, unreadable_ = 0;
  bool followed_ = false, known_ = false, written_ = false, saying_ = false, putting_ = false, rewriting_ = false, waiting_ = false;
  bool changing_ = false;                     ///< What was asked is not in the store yet.
  bool mine_ = false;                         ///< It was asked here.
  bool anew_ = false, complete_ = false;      ///< Nothing is stored otherwise; as it was when all held by this record.
};

}  // namespace

key_keeper_actor make_key_keeper(const rt::world& in, keys_config config, datastore::writer_actor store, rewriter_actor secrets, client::api_actor api) {
  return caf::actor_cast<key_keeper_actor>(rt::spawn<key_following_actor, key_keeper_state>(in, "", in, std::move(config), std::move(store), std::move(secrets), std::move(api)));
}

}  // namespace troupe::secrets
