#include "actors/node_password/keeper.hpp"

#include <map>

#include "actors/node_password/record.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

// A verification is a small state machine; each arrow is one ask:
//
//   read Secret --absent--> hash --> create --created--> enrolled
//        |                              '--exists--> read again (another server was faster)
//        '--present--> cached verdict for this very password and hash? --> confirmed
//                        '--no--> check hash --> confirmed | refused

namespace troupe::node_password {
namespace {

using promise = caf::typed_response_promise<verdict>;

struct verification {
  node_name node;
  secret_text password;
  promise answer;
  unsigned reads = 0;
};
using verification_ptr = std::shared_ptr<verification>;

constexpr unsigned reads_max = 3;

class keeper_state {
 public:
  static constexpr const char* name = "keeper";
  explicit keeper_state(rt::self<keeper_actor> self) : self_(self) {}

  void init(const rt::world& in, keeper_config config, client::api_actor api, hasher_actor hasher) {
    config_ = config;
    api_ = std::move(api);
    hasher_ = std::move(hasher);
    issuer_ = in.issuer;
    pepper_ = in.chance->draw(32);
  }

  keeper_actor::behavior_type make_behavior() {
    return {
        [this](verify_password& ask) { return verify(std::move(ask)); },
        [this](forget_node& who) { return forget(who.node); },
    };
  }

 private:
  caf::result<verdict> verify(verify_password ask) {
    if (open_ >= config_.waiting_max) return rt::refuse(errc::overloaded, "too many nodes are registering");
    ++open_;
    auto v = std::make_shared<verification>();
    v->node = std::move(ask.node);
    v->password = std::move(ask.password);
    v->answer = self_->make_response_promise<verdict>();
    auto answer = v->answer;
    read(v);
    return answer;
  }

  void settle(const verification_ptr& v, verdict what) {
    --open_;
    if (what != verdict::confirmed)
      log::info(what == verdict::enrolled ? "node_password.node_enrolled" : "node_password.password_refused",
                {{"node", v->node.text}});
    v->answer.deliver(what);
  }
  void give_up(const verification_ptr& v, const error& why) {
    --open_;
    v->answer.deliver(rt::refuse(why));
  }

  client::api_call call(std::string method, std::string path, std::string body = {}) const {
    return {std::move(method), std::move(path), std::move(body), "application/json", "system:k3s-supervisor", {"system:masters"}};
  }

  void read(const verification_ptr& v) {
    if (++v->reads > reads_max) return give_up(v, {errc::unavailable, "the node's Secret keeps changing"});
    self_->request(api_, config_.api_limit, call("GET", secret_path(v->node)))
        .then([this, v](const client::api_answer& got) { have_read(v, got); },
              [this, v](caf::error& why) { give_up(v, rt::reason(why)); });
  }

  void have_read(const verification_ptr& v, const client::api_answer& got) {
    if (got.status == 404) return enrol(v);
    if (!got.ok()) return give_up(v, {errc::unavailable, "the node's Secret cannot be read: HTTP " + std::to_string(got.status)});
    auto hash = read_hash(got.body);
    if (!hash.ok()) return settle(v, verdict::refused);
    if (const auto found = cache_.find(v->node.text); found != cache_.end() && found->second == proof(*v, *hash))
      return settle(v, verdict::confirmed);
    self_->request(hasher_, caf::infinite, check_hash{v->password, *hash})
        .then([this, v, hash = *hash](bool same) { have_checked(v, hash, same); },
              [this, v](caf::error& why) { give_up(v, rt::reason(why)); });
  }

  void have_checked(const verification_ptr& v, const std::string& hash, bool same) {
    if (same) remember(*v, hash);
    settle(v, same ? verdict::confirmed : verdict::refused);
  }

  void enrol(const verification_ptr& v) {
    self_->request(hasher_, caf::infinite, make_hash{v->password})
        .then([this, v](const std::string& hash) { create(v, hash); },
              [this, v](caf::error& why) { give_up(v, rt::reason(why)); });
  }

  void create(const verification_ptr& v, const std::string& hash) {
    self_->request(api_, config_.api_limit, call("POST", "/api/v1/namespaces/kube-system/secrets", secret_body(v->node, hash)))
        .then([this, v, hash](const client::api_answer& got) {
          if (got.status == 409) return read(v);
          if (!got.ok()) return give_up(v, {errc::unavailable, "the node's Secret cannot be written: HTTP " + std::to_string(got.status)});
          remember(*v, hash);
          settle(v, verdict::enrolled);
        }, [this, v](caf::error& why) { give_up(v, rt::reason(why)); });
  }

  caf::result<bool> forget(const node_name& node) {
    cache_.erase(node.text);
    auto answer = self_->make_response_promise<bool>();
    self_->request(api_, config_.api_limit, call("DELETE", secret_path(node)))
        .then([answer, node](const client::api_answer& got) mutable {
          if (got.ok()) log::info("node_password.node_forgotten", {{"node", node.text}});
          answer.deliver(got.ok());
        }, [answer](caf::error& why) mutable { answer.deliver(std::move(why)); });
    return answer;
  }

  // Not the password is kept, but a keyed digest of it and of the hash it was checked against.
  std::string proof(const verification& v, const std::string& hash) const {
    return issuer_->sha256(pepper_ + issuer_->sha256(std::string(v.password.reveal())) + hash);
  }
  void remember(const verification& v, const std::string& hash) {
    if (cache_.size() >= config_.cached_max) cache_.erase(cache_.begin());
    cache_[v.node.text] = proof(v, hash);
  }

  rt::self<keeper_actor> self_;
  keeper_config config_;
  client::api_actor api_;
  hasher_actor hasher_;
  net::tls::issuer* issuer_ = nullptr;
  std::string pepper_;
  std::map<std::string, std::string> cache_;
  std::size_t open_ = 0;
};

// Runs on the loop for slow work, so that nobody else waits while it thinks.
class hasher_state {
 public:
  static constexpr const char* name = "hasher";
  explicit hasher_state(rt::self<hasher_actor> self) : self_(self) {}
  void init(const rt::world& in) {
    issuer_ = in.issuer;
    chance_ = in.chance;
  }
  hasher_actor::behavior_type make_behavior() {
    return {
        [this](make_hash& ask) { return issuer_->hash_password(ask.password.reveal(), chance_->draw(8)); },
        [this](check_hash& ask) {
          const auto same = issuer_->verify_password(ask.password.reveal(), ask.stored);
          return same.ok() && *same;
        },
    };
  }

 private:
  rt::self<hasher_actor> self_;
  net::tls::issuer* issuer_ = nullptr;
  entropy* chance_ = nullptr;
};

}  // namespace

hasher_actor make_hasher(const rt::world& in) { return rt::spawn_slow<hasher_actor, hasher_state>(in, "", in); }

keeper_actor make_keeper(const rt::world& in, keeper_config config, client::api_actor api, hasher_actor hasher) {
  return rt::spawn<keeper_actor, keeper_state>(in, "", in, config, std::move(api), std::move(hasher));
}

}  // namespace troupe::node_password
