#include <algorithm>

#include "net/sim/core.hpp"

namespace troupe::net::sim {
namespace {

struct dialer_life {};

bool is_wildcard(const std::string& host) { return host == "0.0.0.0" || host == "::"; }
bool is_loopback(const std::string& host) { return host == "::1" || host.rfind("127.", 0) == 0; }

class sim_dialer final : public dialer {
 public:
  sim_dialer(core& of, site& at) : of_(of), at_(at) {}
  void dial(const endpoint& to, duration patience, dialed done) override {
    auto one = std::make_shared<attempt>(of_, at_, to, std::move(done), life_);
    of_.in(patience, [one] { one->settle(fail(errc::timeout, "connecting to " + to_string(one->to) + ": no answer")); });
    of_.in(duration::zero(), [one] { one->begin(); });
  }

 private:
  struct attempt : std::enable_shared_from_this<attempt> {
    attempt(core& c, site& f, endpoint t, dialed d, std::weak_ptr<dialer_life> l)
        : of(c), from(f), life(f.life), to(std::move(t)), done(std::move(d)), dialer(std::move(l)) {}

    void begin() {
      target = of.resolve(from, to.host);
      if (!target) return settle(fail(errc::unavailable, "cannot resolve " + to_string(to)));
      if (of.lost_dial(from, *target)) return;  // Until patience is over.
      knock();
    }
    void knock() {
      of.in(of.latency(from, *target), [me = shared_from_this()] { me->arrive(); });
    }
    void arrive() {
      if (!done) return;
      if (of.blocked(from, *target) || (!target->up && target->vanished)) {
        of.in(dial_retry, [me = shared_from_this()] { me->arrive(); });
        return;
      }
      auto door = target->up ? find_door() : nullptr;
      const auto back = of.latency(*target, from);
      if (!door) {
        of.in(back, [me = shared_from_this()] { me->settle(fail(errc::refused, "connecting to " + to_string(me->to) + ": connection refused")); });
        return;
      }
      const auto& host = is_loopback(to.host) ? to.host : from.addresses.front();
      auto made = std::make_shared<wire>(of, from, endpoint{host, from.next_port++}, *target,
                                         endpoint{is_wildcard(door->at.host) ? to.host : door->at.host, to.port});
      of.add_wire(made, from, *target);
      auto near = std::make_shared<stream_ptr>(made->make_stream(0));
      of.in(back, [me = shared_from_this(), near] { me->settle(std::move(*near)); });
      door->to(made->make_stream(1));
    }
    std::shared_ptr<core::listening> find_door() {
      for (const auto& each : of.listening_on[target->name])
        if (each->at.port == to.port && (each->at.host == to.host || is_wildcard(each->at.host) ||
                                         (!is_loopback(each->at.host) && !is_loopback(to.host))))
          return each;
      return nullptr;
    }
    void settle(result<stream_ptr> out) {
      if (!done) return;
      const auto call = std::exchange(done, nullptr);
      if (from.up && from.life == life && !dialer.expired()) call(std::move(out));
    }

    core& of;
    site& from;
    std::uint64_t life;
    site* target = nullptr;
    endpoint to;
    dialed done;
    std::weak_ptr<dialer_life> dialer;
  };

  core& of_;
  site& at_;
  std::shared_ptr<dialer_life> life_ = std::make_shared<dialer_life>();
};

class sim_listener final : public listener {
 public:
  sim_listener(core& of, site& at, std::shared_ptr<core::listening> which) : of_(of), at_(at), which_(std::move(which)) {}
  ~sim_listener() override { std::erase(of_.listening_on[at_.name], which_); }
  endpoint address() const override { return which_->at; }

 private:
  core& of_;
  site& at_;
  std::shared_ptr<core::listening> which_;
};

class sim_acceptor final : public acceptor {
 public:
  sim_acceptor(core& of, site& at) : of_(of), at_(at) {}
  result<std::unique_ptr<listener>> listen(const endpoint& asked, accepted on_stream) override {
    endpoint at = asked;
    if (!is_ip_address(at.host)) return fail(errc::invalid, "\"" + at.host + "\" is not an address to listen on");
    if (!is_wildcard(at.host) && !is_loopback(at.host) && std::ranges::find(at_.addresses, at.host) == at_.addresses.end())
      return fail(errc::invalid, "cannot listen on " + to_string(at) + ": " + at_.name + " has no such address");
    auto& all = of_.listening_on[at_.name];
    if (at.port == 0) at.port = at_.next_port++;
    for (const auto& each : all)
      if (each->at.port == at.port && (each->at.host == at.host || is_wildcard(each->at.host) || is_wildcard(at.host)))
        return fail(errc::already_exists, to_string(at) + " is in use by " + at_.name);
    auto made = std::make_shared<core::listening>(core::listening{at, std::move(on_stream), at_.life});
    all.push_back(made);
    return std::unique_ptr<listener>(std::make_unique<sim_listener>(of_, at_, std::move(made)));
  }

 private:
  core& of_;
  site& at_;
};

}  // namespace

void sim_shard::post(task what) {
  of_.in(duration::zero(), [this, life = at_.life, what = std::move(what)] {
    if (at_.up && at_.life == life) what();
  });
}

timer_id sim_shard::after(duration wait, task what) {
  const auto id = ++last_;
  due_[id] = of_.in(wait, [this, id, life = at_.life, what = std::move(what)] {
    if (!at_.up || at_.life != life) return;
    due_.erase(id);
    what();
  });
  return id;
}

void sim_shard::cancel(timer_id which) {
  const auto found = due_.find(which);
  if (found == due_.end()) return;
  const auto entry = found->second;
  due_.erase(found);
  of_.cancel(entry);
}

void sim_shard::forget_all() { due_.clear(); }

std::unique_ptr<dialer> make_dialer(core& of, site& at) { return std::make_unique<sim_dialer>(of, at); }
std::unique_ptr<acceptor> make_acceptor(core& of, site& at) { return std::make_unique<sim_acceptor>(of, at); }

}  // namespace troupe::net::sim
