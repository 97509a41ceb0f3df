#include "actors/kubelet/pod_worker_state.hpp"

#include "actors/kubelet/ask.hpp"
#include "actors/runtime/spawn.hpp"

namespace troupe::kubelet {

void worker_state::run_hook(const container_wish& c, const handler_wish& how, const std::string& id, duration limit, std::function<void(result<void>)> then) {
  if (how.what == handler_wish::kind::wait) {
    return wait(std::min(how.wait, limit), std::move(then));
  }
  ask(c, how, id, limit, [then](result<void> went) { then(went); });
}

void worker_state::wait(duration span, std::function<void(result<void>)> then) {
  const auto ticket = ++tickets_;
  asks_[ticket] = std::move(then);
  self_->delayed_send(rt::strong<worker_actor>(self_), span, ask_settled{ticket, true, {}});
}

void worker_state::ask(const container_wish& c, const handler_wish& how, const std::string& id, duration limit, std::function<void(result<void>)> then) {
  if (how.what == handler_wish::kind::exec) {
    return perform(cri::exec_sync{id, how.command, limit}, [then](result<cri::reply> got) {
      if (!got.ok()) return then(got.why());
      const auto& ran = std::get<port::exec_result>(*got);
      if (ran.exit_code == 0) return then({});
      then(troupe::fail(errc::refused, ran.out + ran.err));
    });
  }
  const auto own = addresses();
  const auto number = port_number(c, how.port);
  if (how.what == handler_wish::kind::unsupported || number <= 0 || number > 65535 || (how.host.empty() && own.empty()))
    return then(troupe::fail(errc::invalid, "it cannot be asked: no such port, address or kind of handler"));
  const auto ticket = ++tickets_;
  asks_[ticket] = std::move(then);
  const endpoint at{how.host.empty() ? own.front() : how.host, static_cast<std::uint16_t>(number)};
  ask_over_network(*world_, how, at, limit, [me = rt::strong<worker_actor>(self_), ticket](result<void> went) {
    rt::post(me, ask_settled{ticket, went.ok(), went.ok() ? "" : went.why().note});
  });
}

void worker_state::settle_ask(ask_settled& got) {
  const auto found = asks_.find(got.ticket);
  if (found == asks_.end()) return;
  auto then = std::move(found->second);
  asks_.erase(found);
  then(got.well ? result<void>() : result<void>(troupe::fail(errc::refused, got.why)));
}

void worker_state::probe() {
  std::optional<wall_time> next;
  for (auto& [container, at] : instances_)
    for (std::size_t i = 0; i < at.probes.size(); ++i) {
      auto& p = at.probes[i];
      if (p.asking() || (p.kind() == probe_kind::startup) == of(container).started) continue;   // startup first, then the others
      if (p.due() <= now()) start_probe(container, at, i);
      else if (!next || p.due() < *next) next = p.due();
    }
  ++probe_turns_;
  if (next) self_->delayed_send(rt::strong<worker_actor>(self_), std::max<duration>(*next - now(), std::chrono::milliseconds(1)), probe_due{probe_turns_});
}

void worker_state::start_probe(const std::string& container, instance& at, std::size_t i) {
  const auto* c = wish_.find(container);
  if (!c || memory_.failure) return;
  at.probes[i].begin(now());
  const auto how = at.probes[i].how();
  ask(*c, how.ask, at.id, how.limit, [this, container, id = at.id, i](result<void> went) { settle_probe(container, id, i, went); });
}

void worker_state::settle_probe(const std::string& container, const std::string& id, std::size_t i, const result<void>& went) {
  const auto found = instances_.find(container);
  if (found == instances_.end() || found->second.id != id) return;
  auto& p = found->second.probes[i];
  if (!went.ok() && (went.code() == errc::unavailable || went.code() == errc::outcome_unknown)) p.skip();   // of the runtime, not of the container
  else judge(container, p, went);
  probe();
}

void worker_state::judge(const std::string& container, probing& p, const result<void>& went) {
  if (!went.ok() && !wish_.deleted) tell(true, "Unhealthy", to_string(p.kind()) + " probe failed: " + went.why().note, container);
  if (!p.settle(went.ok(), now())) return;
  auto& known = of(container);
  const auto* c = wish_.find(container);
  if (p.kind() == probe_kind::readiness) known.ready = went.ok();
  else if (!went.ok()) known.kill_because = "Container " + container + " failed " + (p.kind() == probe_kind::startup ? "startup" : "liveness") + " probe, will be restarted", known.kill_grace = p.how().grace;
  else if (p.kind() == probe_kind::startup) known.started = true, known.ready = c && !c->readiness;
  turn();
}

}  // namespace troupe::kubelet
