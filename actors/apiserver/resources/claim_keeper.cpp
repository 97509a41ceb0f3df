#include "actors/apiserver/resources/claim_keeper.hpp"

#include "actors/apiserver/resources/service_claims.hpp"
#include "actors/model/schema/schema.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::apiserver {
namespace {

using answer_promise = caf::typed_response_promise<std::uint64_t>;

/// One look: the claims, then the Services at the same revision, then what differs.
struct look {
  answer_promise answer;
  storage::page claims;
  std::uint64_t wrong = 0, open = 0;
  std::string trouble;
};
using look_ptr = std::shared_ptr<look>;

class claim_keeper_state {
 public:
  static constexpr const char* name = "claim_keeper";
  explicit claim_keeper_state(rt::self<claim_keeper_actor> self) : self_(self) {}

  void init(claim_config config, datastore::pages_actor store) {
    config_ = config;
    store_ = std::move(store);
    self_->send(me(), claims_due{});
  }

  claim_keeper_actor::behavior_type make_behavior() {
    return {
        [this](repair_claims) { return begin(); },
        [this](claims_due) { look_around(); },
    };
  }

 private:
  claim_keeper_actor me() { return rt::strong<claim_keeper_actor>(self_); }

  void look_around() {
    self_->request(me(), caf::infinite, repair_claims{})
        .then([this](std::uint64_t) { self_->delayed_send(me(), config_.every, claims_due{}); },
              [this](caf::error& why) {
                log::warn("apiserver.claims_not_repaired", {{"why", rt::reason(why).text()}});
                self_->delayed_send(me(), config_.again_after, claims_due{});
              });
  }

  caf::result<std::uint64_t> begin() {
    auto one = std::make_shared<look>();
    one->answer = self_->make_response_promise<std::uint64_t>();
    auto answer = one->answer;
    read(claims_prefix, 0, one, [this, one](storage::page& got) {
      one->claims = std::move(got);
      const auto& services = model::schema::find("", "v1", "services")->storage_prefix;
      read(services, one->claims.head, one, [this, one](storage::page& all) { repair(one, all); });
    });
    return answer;
  }

  template <class Then>
  void read(std::string_view prefix, storage::revision at, const look_ptr& one, Then then) {
    storage::range_query what{std::string(prefix), storage::after_prefix(std::string(prefix)), at, 0};
    self_->request(store_, caf::infinite, datastore::read_page{std::move(what)})
        .then([then](storage::page& got) { then(got); }, [one](caf::error& why) { one->answer.deliver(std::move(why)); });
  }

  void repair(const look_ptr& one, const storage::page& services) {
    auto todo = claim_repairs(services, one->claims);
    one->wrong = one->open = todo.size();
    if (todo.empty()) {
      one->answer.deliver(std::uint64_t{0});
      return;
    }
    log::info("apiserver.claims_repaired", {{"services", services.records.size()}, {"wrong", todo.size()}});
    for (auto& what : todo)
      self_->request(store_, caf::infinite, datastore::commit_operation{std::move(what)})
          .then([this, one](const storage::outcome& got) {
            // A conflict: somebody took it, or gave it back, since; then it is right without us.
            const bool heard = got.what == storage::outcome::kind::committed || got.what == storage::outcome::kind::conflict;
            settle(one, heard ? std::string() : got.note);
          }, [this, one](caf::error& why) { settle(one, rt::reason(why).text()); });
  }

  void settle(const look_ptr& one, std::string trouble) {
    if (!trouble.empty()) one->trouble = std::move(trouble);
    if (--one->open > 0) return;
    if (one->trouble.empty()) one->answer.deliver(one->wrong);
    else one->answer.deliver(rt::refuse(errc::unavailable, one->trouble));
  }

  rt::self<claim_keeper_actor> self_;
  claim_config config_;
  datastore::pages_actor store_;
};

}  // namespace

claim_keeper_actor make_claim_keeper(const rt::world& in, claim_config config, datastore::pages_actor store) {
  return rt::spawn<claim_keeper_actor, claim_keeper_state>(in, "", config, std::move(store));
}

}  // namespace troupe::apiserver
