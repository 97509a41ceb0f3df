#include "actors/cri/edge.hpp"

#include <map>

#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"

namespace troupe::cri {
namespace {

class edge_state {
 public:
  static constexpr const char* name = "cri";
  explicit edge_state(rt::self<edge_actor> self) : self_(self) {}
  void init(std::unique_ptr<net::cri::runtime> on) { on_ = std::move(on); }
  edge_actor::behavior_type make_behavior() {
    return {
        [this](perform& ask) { return begin(ask.what); },
        [this](call_settled& got) { settle(got); },
    };
  }

 private:
  caf::result<outcome> begin(request& what) {
    auto promise = self_->make_response_promise<outcome>();
    const auto ticket = ++tickets_;
    waiting_.emplace(ticket, promise);
    std::visit([&](auto& one) { start(one, ticket); }, what);
    return promise;
  }
  void settle(call_settled& got) {
    const auto found = waiting_.find(got.ticket);
    if (found == waiting_.end()) return;
    auto promise = std::move(found->second);
    waiting_.erase(found);
    if (got.what->ok()) promise.deliver(outcome{std::move(**got.what)});
    else promise.deliver(rt::refuse(got.what->why()));
  }

  /// What the client calls, on its own thread: it only sends.
  template <class T>
  port::done<T> to(std::uint64_t ticket) {
    return [me = rt::strong<edge_actor>(self_), ticket](result<T> got) {
      auto what = got.ok() ? std::make_shared<result<reply>>(reply(std::move(*got))) : std::make_shared<result<reply>>(got.why());
      rt::post(me, call_settled{ticket, std::move(what)});
    };
  }

  void start(ask_version&, std::uint64_t t) { on_->version(to<port::version_info>(t)); }
  void start(ask_standing&, std::uint64_t t) { on_->status(to<port::standing>(t)); }
  void start(run_sandbox& ask, std::uint64_t t) { on_->run_sandbox(ask.what, to<std::string>(t)); }
  void start(stop_sandbox& ask, std::uint64_t t) { on_->stop_sandbox(ask.id, to<port::nothing>(t)); }
  void start(remove_sandbox& ask, std::uint64_t t) { on_->remove_sandbox(ask.id, to<port::nothing>(t)); }
  void start(create_container& ask, std::uint64_t t) { on_->create_container(ask.sandbox, ask.what, ask.within, to<std::string>(t)); }
  void start(start_container& ask, std::uint64_t t) { on_->start_container(ask.id, to<port::nothing>(t)); }
  void start(stop_container& ask, std::uint64_t t) { on_->stop_container(ask.id, ask.grace, to<port::nothing>(t)); }
  void start(remove_container& ask, std::uint64_t t) { on_->remove_container(ask.id, to<port::nothing>(t)); }
  void start(look_at_pod& ask, std::uint64_t t) { port::look_at_pod(*on_, ask.uid, to<port::pod_view>(t)); }
  void start(list_all&, std::uint64_t t) {
    // The second list is asked when the first has come; the client outlives its callbacks.
    on_->list_sandboxes({}, [on = on_.get(), then = to<port::pod_view>(t)](result<std::vector<port::sandbox>> boxes) mutable {
      if (!boxes.ok()) return then(boxes.why());
      on->list_containers({}, [boxes = std::move(*boxes), then = std::move(then)](result<std::vector<port::container>> all) mutable {
        if (!all.ok()) return then(all.why());
        then(port::pod_view{std::move(boxes), std::move(*all)});
      });
    });
  }
  void start(exec_sync& ask, std::uint64_t t) { on_->exec_sync(ask.id, ask.command, ask.limit, to<port::exec_result>(t)); }
  void start(open_exec& ask, std::uint64_t t) { on_->exec(ask.id, ask.command, ask.with, to<std::string>(t)); }
  void start(open_attach& ask, std::uint64_t t) { on_->attach(ask.id, ask.with, to<std::string>(t)); }
  void start(open_forward& ask, std::uint64_t t) { on_->port_forward(ask.sandbox, to<std::string>(t)); }
  void start(reopen_log& ask, std::uint64_t t) { on_->reopen_log(ask.id, to<port::nothing>(t)); }
  void start(find_image& ask, std::uint64_t t) { on_->image_status(ask.name, to<port::image>(t)); }
  void start(pull_image& ask, std::uint64_t t) { on_->pull_image(ask.name, ask.with, to<std::string>(t)); }
  void start(list_images&, std::uint64_t t) { on_->list_images(to<std::vector<port::image>>(t)); }
  void start(remove_image& ask, std::uint64_t t) { on_->remove_image(ask.id, to<port::nothing>(t)); }
  void start(ask_disk&, std::uint64_t t) { on_->image_disk(to<port::disk_use>(t)); }
  void start(ask_usage&, std::uint64_t t) { on_->container_usage({}, to<std::vector<port::usage>>(t)); }

  rt::self<edge_actor> self_;
  std::map<std::uint64_t, caf::typed_response_promise<outcome>> waiting_;
  std::uint64_t tickets_ = 0;
  std::unique_ptr<net::cri::runtime> on_;
};

}  // namespace

edge_actor make_edge(const rt::world& in, std::unique_ptr<net::cri::runtime> on) {
  return rt::spawn<edge_actor, edge_state>(in, "", std::move(on));
}

}  // namespace troupe::cri
