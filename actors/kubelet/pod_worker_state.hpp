// The worker's state; see pod_worker.hpp. Its methods are in pod_worker.cpp (turns, looks, status), pod_acts.cpp (what a plan
// names is done) and pod_asks.cpp (hooks and probes).
//
//  told, looked, woken --> turn: plan --> act --> settled --> look --> turn ...
//                             '--> status, when it changed
#pragma once
#include <deque>

#include "actors/kubelet/pod/events.hpp"
#include "actors/kubelet/pod/plan.hpp"
#include "actors/kubelet/pod/probe.hpp"
#include "actors/kubelet/volumes/orders.hpp"
#include "actors/kubelet/pod_worker.hpp"
#include "actors/runtime/errors.hpp"

namespace troupe::kubelet {

class worker_state {
 public:
  static constexpr const char* name = "pod_worker";
  explicit worker_state(rt::self<worker_actor> self) : self_(self) {}

  void init(const rt::world& in, std::shared_ptr<const worker_config> config, bool of_file, model::packed object, client::api_actor api, cri::runtime_actor runtime, worker_owner_actor owner);
  worker_actor::behavior_type make_behavior() {
    return {
        [this](pod_told& news) { hear(news.object); },
        [this](pod_withdrawn) { withdraw(); },
        [this](mirror_told& news) { take_mirror(*news.object); },
        [this](look_due) { look(); },
        [this](turn_due due) { if (due.number == turns_) turn(); },
        [this](probe_due due) { if (due.number == probe_turns_) probe(); },
        [this](ask_settled& got) { settle_ask(got); },
    };
  }

 private:
  wall_time now() const { return world_->wall->now(); }
  container_memory& of(const std::string& container) { return memory_.containers[container]; }
  void hear(const model::packed& object);
  void withdraw();
  void take_mirror(const json& mirror);
  /// The status `present` of our pod, but what we have written last counts, also while the API's news of it is on its way.
  void overlay(json present);

  // looking
  template <class Then>
  void perform(cri::request what, Then then) {
    self_->request(runtime_, caf::infinite, cri::perform{std::move(what)})
        .then([then](cri::outcome& got) { then(result<cri::reply>(std::move(got.what))); }, [then](caf::error& why) { then(result<cri::reply>(rt::reason(why))); });
  }
  void look();
  void see(port::pod_view view);
  struct instance {
    std::string id;
    std::vector<probing> probes;
  };
  /// A new instance of a container begins with fresh probes; what was said of another is forgotten.
  void adopt(const container_wish& c);
  /// Of a life of ours before this one.
  bool is_known_ready(const std::string& container, const std::string& id) const;
  void read_last_words(const port::container& c);
  std::string log_path(const port::container& c) const;

  // taking turns
  void turn();
  void begin(const std::string& target) { memory_.busy.insert(target); }
  void settle(const std::string& target);
  /// The runtime refused something that has no wait of its own: not again at once.
  void block(const error& why);
  void fail(const std::string& target, const error& why);

  // volumes and sandbox
  void act(prepare_volumes&);
  void refresh();
  void fetch(std::function<void(result<void>)> then, bool services = true);
  /// They are good for the containers that are made at once.
  void drop_sources(std::optional<wall_time>& wake);
  void take_sources(result<pod_sources>& got, const std::function<void(result<void>)>& then);
  /// One command after the other; the first that fails is told.
  void run_orders(std::vector<command> orders, std::size_t next, std::function<void(result<void>)> then);
  std::vector<std::string> addresses() const;
  void act(start_sandbox& what);
  void run_sandbox(std::uint32_t attempt, const std::string& handler);
  void refuse_sandbox(const std::string& reason, const std::string& why);
  void act(end_sandbox& what);
  void act(drop_sandbox& what);

  // images
  void act(fetch_image& what);
  void pull(const container_wish& c);
  /// With the logins from `next` on, one after the other.
  void pull_as(const std::string& container, std::vector<port::registry_login> logins, std::size_t next);
  void have_image(const container_wish& c, port::image what);
  void image_failed(const container_wish& c, const std::string& reason, const std::string& why);
  /// A moment after a failure people are told that it will be tried again. Answers when the next such moment is.
  std::optional<wall_time> give_up_images();

  // containers
  void act(make_container& what);
  void make(const container_wish& c, std::uint32_t attempt, const std::string& sandbox);
  std::uint32_t box_attempt(const std::string& id) const;
  result<void> write_own_files(const container_wish& c, std::uint32_t attempt);
  void refuse_config(const std::string& container, const std::string& reason, const std::string& why);
  void act(begin_container& what);
  void act(end_container& what);
  void act(drop_container& what);
  void act(fail_pod& what);

  // its end
  void act(pod_gone&);
  void bury();
  void leave();

  // hooks and probes
  void run_hook(const container_wish& c, const handler_wish& how, const std::string& id, duration limit, std::function<void(result<void>)> then);
  void wait(duration span, std::function<void(result<void>)> then);
  void ask(const container_wish& c, const handler_wish& how, const std::string& id, duration limit, std::function<void(result<void>)> then);
  void settle_ask(ask_settled& got);
  void probe();
  void start_probe(const std::string& container, instance& at, std::size_t i);
  void settle_probe(const std::string& container, const std::string& id, std::size_t i, const result<void>& went);
  void judge(const std::string& container, probing& p, const result<void>& went);

  // telling the API
  std::string pod_path() const { return "/api/v1/namespaces/" + wish_.ns + "/pods/" + wish_.name; }
  template <class Then>
  void call(std::string method, std::string path, const json& body, std::string type, Then then) {
    self_->request(api_, config_->api_limit, client::api_call{std::move(method), std::move(path), body.is_null() ? "" : to_text(body), std::move(type), "", {}})
        .then([then](const client::api_answer& got) { then(got); }, [then](caf::error& why) { then(client::api_answer{0, rt::reason(why).text()}); });
  }
  void tell(bool warning, const std::string& reason, const std::string& message, const std::string& container = {});
  /// Sends what is to be told, one after the other; what nobody took is sent again.
  void speak();
  /// A container whose start was not answered may run all the same.
  void settle_starts();
  void tell_of_backoff(const container_wish& c);
  void write_status();

  rt::self<worker_actor> self_;
  const rt::world* world_ = nullptr;
  std::shared_ptr<const worker_config> config_;   // everybody's
  client::api_actor api_;
  cri::runtime_actor runtime_;
  worker_owner_actor owner_;
  pod_wish wish_;
  std::shared_ptr<const port::pod_view> seen_ = std::make_shared<const port::pod_view>();   // the roll holds it too
  pod_memory memory_;
  std::optional<pod_sources> sources_;       // for a moment: many kilobytes that each container asks for anew
  token_shelf tokens_;
  std::vector<volume_plan> volumes_;
  std::unique_ptr<net::process> order_;      // the command that runs
  event_book events_;
  std::deque<event_call> unsaid_;
  unsigned unheard_ = 0;                              // tries of the first of them
  bool speaking_ = false;
  std::set<std::string> start_unknown_;               // containers' ids
  std::map<std::string, std::string> backed_off_;     // container to the id of its instance that people were told of
  model::packed present_, sent_;
  std::map<std::string, instance> instances_;
  std::map<std::string, port::image> images_;
  std::map<std::string, wall_time> image_failed_at_;
  std::map<std::string, std::string> messages_;
  std::map<std::uint64_t, std::function<void(result<void>)>> asks_;
  std::uint64_t tickets_ = 0, turns_ = 0, probe_turns_ = 0;
  wall_time blocked_until_{}, refreshed_at_{}, write_at_{};
  duration retry_{};
  bool looked_ = false, blind_ = false, looking_ = false, look_again_ = false, writing_ = false, withdrawn_ = false, refreshing_ = false, ended_ = false, has_mirror_ = false, of_file_ = false;
};

}  // namespace troupe::kubelet
