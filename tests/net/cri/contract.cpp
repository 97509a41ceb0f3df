#include "tests/net/cri/contract.hpp"

#include <doctest/doctest.h>

#include <mutex>
#include <optional>

namespace troupe::net::cri::test {
namespace {

/// Asks and waits. Callbacks come on a thread of the client.
template <class T, class Ask>
result<T> ask(rig& r, Ask how) {
  struct box {
    std::mutex lock;
    std::optional<result<T>> got;
    int times = 0;
  };
  auto in = std::make_shared<box>();
  how(done<T>([in](result<T> got) {
    const std::lock_guard hold(in->lock);
    in->got.emplace(std::move(got));
    ++in->times;
  }));
  REQUIRE(r.until([&] {
    const std::lock_guard hold(in->lock);
    return in->got.has_value();
  }));
  const std::lock_guard hold(in->lock);
  CHECK(in->times == 1);
  return std::move(*in->got);
}

sandbox_config pod(rig& r, const std::string& uid, std::uint32_t attempt = 0) {
  (void)r;
  sandbox_config out;
  out.name = "pod", out.ns = "ns", out.uid = uid, out.attempt = attempt;
  out.labels = {{label_pod_uid, uid}, {label_pod_name, "pod"}, {label_pod_namespace, "ns"}};
  out.log_folder = "/tmp/troupe-cri-contract/" + uid;
  out.with.spaces.network = sharing::node;
  out.cgroup_parent = "/troupe-test/contract";
  return out;
}
container_config sleeper(rig& r, const std::string& uid, std::vector<std::string> command) {
  container_config out;
  out.name = "main";
  out.image = r.image();
  out.command = std::move(command);
  out.labels = {{label_pod_uid, uid}, {label_container, "main"}};
  out.log_path = "main/0.log";
  out.with.spaces.network = sharing::node;
  return out;
}

std::string box(rig& r, const sandbox_config& of) {
  auto got = ask<std::string>(r, [&](auto then) { r.on().run_sandbox(of, std::move(then)); });
  if (!got.ok()) FAIL(got.why().text());
  return *got;
}
std::string begun(rig& r, const std::string& in, const sandbox_config& within, const container_config& what) {
  auto made = ask<std::string>(r, [&](auto then) { r.on().create_container(in, what, within, std::move(then)); });
  if (!made.ok()) FAIL(made.why().text());
  auto began = ask<nothing>(r, [&](auto then) { r.on().start_container(*made, std::move(then)); });
  if (!began.ok()) FAIL(began.why().text());
  return *made;
}
pod_view seen(rig& r, const std::string& uid) {
  auto got = ask<pod_view>(r, [&](auto then) { look_at_pod(r.on(), uid, std::move(then)); });
  if (!got.ok()) FAIL(got.why().text());
  return *got;
}
void gone(rig& r, const std::string& id) {
  CHECK(ask<nothing>(r, [&](auto then) { r.on().stop_sandbox(id, std::move(then)); }).ok());
  CHECK(ask<nothing>(r, [&](auto then) { r.on().remove_sandbox(id, std::move(then)); }).ok());
}

void check_life(rig& r) {
  const auto uid = r.uid();
  const auto config = pod(r, uid);
  const auto id = box(r, config);
  const auto run = begun(r, id, config, sleeper(r, uid, {"sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"}));
  auto now = seen(r, uid);
  REQUIRE(now.sandboxes.size() == 1);
  CHECK(now.sandboxes[0].ready);
  CHECK(now.sandboxes[0].addresses.empty());   // the node's network
  REQUIRE(now.containers.size() == 1);
  CHECK(now.containers[0].id == run);
  CHECK(now.containers[0].sandbox_id == id);
  CHECK(now.containers[0].state == container_state::running);
  CHECK(now.containers[0].started_at >= now.containers[0].created_at);
  CHECK(ask<exec_result>(r, [&](auto then) { r.on().exec_sync(run, {"true"}, 10s, std::move(then)); })->exit_code == 0);
  CHECK(ask<std::string>(r, [&](auto then) { r.on().exec(run, {"sh"}, {true, true, false, true}, std::move(then)); })->starts_with("http://127.0.0.1:"));
  for (int twice = 0; twice < 2; ++twice) CHECK(ask<nothing>(r, [&](auto then) { r.on().stop_container(run, 5s, std::move(then)); }).ok());
  now = seen(r, uid);
  CHECK(now.containers[0].state == container_state::exited);
  CHECK(now.containers[0].finished_at >= now.containers[0].started_at);
  for (int twice = 0; twice < 2; ++twice) gone(r, id);
  now = seen(r, uid);
  CHECK(now.sandboxes.empty());
  CHECK(now.containers.empty());
}

void check_refusals(rig& r) {
  const auto uid = r.uid();
  const auto config = pod(r, uid);
  const auto id = box(r, config);
  CHECK(ask<std::string>(r, [&](auto then) { r.on().run_sandbox(config, std::move(then)); }).code() == errc::internal);   // it is reserved
  CHECK(ask<container>(r, [&](auto then) { r.on().container_status("nobody", std::move(then)); }).code() == errc::not_found);
  CHECK(ask<sandbox>(r, [&](auto then) { r.on().sandbox_status("nobody", std::move(then)); }).code() == errc::not_found);
  CHECK(ask<image>(r, [&](auto then) { r.on().image_status("localhost/never:1", std::move(then)); }).code() == errc::not_found);
  CHECK(ask<std::string>(r, [&](auto then) { r.on().pull_image("localhost:1/never:1", {}, std::move(then)); }).code() == errc::internal);
  CHECK(ask<nothing>(r, [&](auto then) { r.on().stop_container("nobody", 1s, std::move(then)); }).ok());
  gone(r, id);
}

void check_survival(rig& r) {
  const auto uid = r.uid();
  const auto config = pod(r, uid);
  const auto id = box(r, config);
  const auto run = begun(r, id, config, sleeper(r, uid, {"sleep", "1000"}));
  const auto before = seen(r, uid);
  r.kill_runtime();
  REQUIRE(r.until([&] { return ask<standing>(r, [&](auto then) { r.on().status(std::move(then)); }).ok(); }));
  const auto after = seen(r, uid);
  REQUIRE(after.containers.size() == 1);
  CHECK(after.containers[0].id == run);
  CHECK(after.containers[0].state == container_state::running);
  CHECK(after.containers[0].started_at == before.containers[0].started_at);
  gone(r, id);
}

void check_images(rig& r) {
  const auto got = ask<image>(r, [&](auto then) { r.on().image_status(r.image(), std::move(then)); });
  REQUIRE(got.ok());
  CHECK(got->id.starts_with("sha256:"));
  CHECK(got->bytes > 0);
  const auto all = ask<std::vector<image>>(r, [&](auto then) { r.on().list_images(std::move(then)); });
  REQUIRE(all.ok());
  CHECK(std::any_of(all->begin(), all->end(), [&](const image& one) { return one.id == got->id; }));
  const auto who = ask<version_info>(r, [&](auto then) { r.on().version(std::move(then)); });
  REQUIRE(who.ok());
  CHECK(!who->name.empty());
}

}  // namespace

void check_contract(const std::function<std::unique_ptr<rig>()>& make) {
  for (const auto check : {check_life, check_refusals, check_images, check_survival}) {
    const auto r = make();
    check(*r);
  }
}

}  // namespace troupe::net::cri::test
