#include "actors/client/clients.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"

namespace troupe::client {
namespace {

class local_state {
 public:
  static constexpr const char* name = "local";
  explicit local_state(rt::self<api_actor> self) : self_(self) {}
  void init(api_actor gate, std::string user, std::vector<std::string> groups) {
    gate_ = std::move(gate);
    user_ = std::move(user);
    groups_ = std::move(groups);
  }
  api_actor::behavior_type make_behavior() {
    return {
        [this](api_call& call) { return carry(std::move(call)); },
        [this](open_watch& ask) { sign(ask.call), self_->send(gate_, std::move(ask)); },
        [this](close_watch& ask) { self_->send(gate_, std::move(ask)); },
    };
  }

 private:
  void sign(api_call& call) {
    call.user = user_;
    call.groups = groups_;
  }
  caf::result<api_answer> carry(api_call call) {
    sign(call);
    return self_->delegate(gate_, std::move(call));
  }
  rt::self<api_actor> self_;
  api_actor gate_;
  std::string user_;
  std::vector<std::string> groups_;
};

}  // namespace

api_actor make_local(const rt::world& in, api_actor gate, std::string user, std::vector<std::string> groups) {
  std::string detail = user;
  return rt::spawn<api_actor, local_state>(in, std::move(detail), std::move(gate), std::move(user), std::move(groups));
}

}  // namespace troupe::client
