#include "net/cri/client.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "net/cri/cri.grpc.pb.h"
#include "net/cri/wire.hpp"
#include "net/rpc/channel.hpp"
#include "net/rpc/loop.hpp"

namespace troupe::net::cri {
namespace {

/// What the kernel says of the socket: empty when somebody listens.
std::string trouble_at(const std::string& path) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  if (path.size() >= sizeof at.sun_path) return "the path of the runtime's socket is too long: " + path;
  std::memcpy(at.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return std::string("no socket can be made: ") + std::strerror(errno);
  const int went = connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at);
  const int why = errno;
  close(fd);
  return went == 0 || why == EAGAIN ? std::string() : "the container runtime does not answer at " + path + ": " + std::strerror(why);
}

error to_error(const grpc::Status& status) {
  const auto& text = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::NOT_FOUND: return fail(errc::not_found, text);
    case grpc::StatusCode::DEADLINE_EXCEEDED: return fail(errc::timeout, text);
    case grpc::StatusCode::UNIMPLEMENTED: return fail(errc::unsupported, text);
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED: return fail(errc::outcome_unknown, text);
    default: return fail(text.find("not initialized yet") != std::string::npos ? errc::unavailable : errc::internal, text);
  }
}

std::int64_t whole_seconds(duration of) { return (of + std::chrono::seconds(1) - duration(1)) / std::chrono::seconds(1); }

class client final : public runtime {
 public:
  explicit client(client_config config) : config_(std::move(config)), loop_("cri") {}
  ~client() override {
    loop_.post([this] {
      for (auto* each : flying_) each->TryCancel();
      ended_ = true;
      loop_.stop();
    });
    loop_.join();
  }

  void version(done<version_info> then) override {
    run(config_.look_limit, &runtime_stub::PrepareAsyncVersion, pb::VersionRequest(), std::move(then),
        [](const pb::VersionResponse& got) { return version_info{got.runtime_name(), got.runtime_version()}; });
  }
  void status(done<standing> then) override {
    run(config_.look_limit, &runtime_stub::PrepareAsyncStatus, pb::StatusRequest(), std::move(then), to_standing);
  }

  void run_sandbox(const sandbox_config& what, done<std::string> then) override {
    pb::RunPodSandboxRequest ask;
    fill(*ask.mutable_config(), what);
    ask.set_runtime_handler(what.handler);
    run(config_.act_limit, &runtime_stub::PrepareAsyncRunPodSandbox, std::move(ask), std::move(then),
        [](const pb::RunPodSandboxResponse& got) { return got.pod_sandbox_id(); });
  }
  void stop_sandbox(const std::string& id, done<nothing> then) override {
    pb::StopPodSandboxRequest ask;
    ask.set_pod_sandbox_id(id);
    run(config_.act_limit, &runtime_stub::PrepareAsyncStopPodSandbox, std::move(ask), absent_is_fine(std::move(then)), [](const auto&) { return nothing{}; });
  }
  void remove_sandbox(const std::string& id, done<nothing> then) override {
    pb::RemovePodSandboxRequest ask;
    ask.set_pod_sandbox_id(id);
    run(config_.act_limit, &runtime_stub::PrepareAsyncRemovePodSandbox, std::move(ask), absent_is_fine(std::move(then)), [](const auto&) { return nothing{}; });
  }
  void list_sandboxes(const label_map& having, done<std::vector<sandbox>> then) override {
    pb::ListPodSandboxRequest ask;
    fill(*ask.mutable_filter()->mutable_label_selector(), having);
    run(config_.look_limit, &runtime_stub::PrepareAsyncListPodSandbox, std::move(ask), std::move(then), [](const pb::ListPodSandboxResponse& got) {
      std::vector<sandbox> out;
      for (const auto& one : got.items()) out.push_back(to_sandbox(one));
      return out;
    });
  }
  void sandbox_status(const std::string& id, done<sandbox> then) override {
    pb::PodSandboxStatusRequest ask;
    ask.set_pod_sandbox_id(id);
    run(config_.look_limit, &runtime_stub::PrepareAsyncPodSandboxStatus, std::move(ask), std::move(then),
        [](const pb::PodSandboxStatusResponse& got) { return to_sandbox(got.status()); });
  }

  void create_container(const std::string& sandbox_id, const container_config& what, const sandbox_config& within, done<std::string> then) override {
    pb::CreateContainerRequest ask;
    ask.set_pod_sandbox_id(sandbox_id);
    fill(*ask.mutable_config(), what);
    fill(*ask.mutable_sandbox_config(), within);
    run(config_.act_limit, &runtime_stub::PrepareAsyncCreateContainer, std::move(ask), std::move(then),
        [](const pb::CreateContainerResponse& got) { return got.container_id(); });
  }
  void start_container(const std::string& id, done<nothing> then) override {
    pb::StartContainerRequest ask;
    ask.set_container_id(id);
    run(config_.act_limit, &runtime_stub::PrepareAsyncStartContainer, std::move(ask), std::move(then), [](const auto&) { return nothing{}; });
  }
  void stop_container(const std::string& id, duration grace, done<nothing> then) override {
    pb::StopContainerRequest ask;
    ask.set_container_id(id);
    ask.set_timeout(whole_seconds(grace));
    run(grace + config_.act_limit, &runtime_stub::PrepareAsyncStopContainer, std::move(ask), absent_is_fine(std::move(then)), [](const auto&) { return nothing{}; });
  }
  void remove_container(const std::string& id, done<nothing> then) override {
    pb::RemoveContainerRequest ask;
    ask.set_container_id(id);
    run(config_.act_limit, &runtime_stub::PrepareAsyncRemoveContainer, std::move(ask), absent_is_fine(std::move(then)), [](const auto&) { return nothing{}; });
  }
  void list_containers(const label_map& having, done<std::vector<container>> then) override {
    pb::ListContainersRequest ask;
    fill(*ask.mutable_filter()->mutable_label_selector(), having);
    run(config_.look_limit, &runtime_stub::PrepareAsyncListContainers, std::move(ask), std::move(then), [](const pb::ListContainersResponse& got) {
      std::vector<container> out;
      for (const auto& one : got.containers()) out.push_back(to_container(one));
      return out;
    });
  }
  void container_status(const std::string& id, done<container> then) override {
    pb::ContainerStatusRequest ask;
    ask.set_container_id(id);
    run(config_.look_limit, &runtime_stub::PrepareAsyncContainerStatus, std::move(ask), std::move(then),
        [](const pb::ContainerStatusResponse& got) { return to_container(got.status()); });
  }
  void update_resources(const std::string& id, const resources& to, done<nothing> then) override {
    pb::UpdateContainerResourcesRequest ask;
    ask.set_container_id(id);
    fill(*ask.mutable_linux(), to);
    run(config_.act_limit, &runtime_stub::PrepareAsyncUpdateContainerResources, std::move(ask), std::move(then), [](const auto&) { return nothing{}; });
  }
  void reopen_log(const std::string& id, done<nothing> then) override {
    pb::ReopenContainerLogRequest ask;
    ask.set_container_id(id);
    run(config_.act_limit, &runtime_stub::PrepareAsyncReopenContainerLog, std::move(ask), std::move(then), [](const auto&) { return nothing{}; });
  }

  void exec_sync(const std::string& id, const std::vector<std::string>& command, duration limit, done<exec_result> then) override {
    pb::ExecSyncRequest ask;
    ask.set_container_id(id);
    for (const auto& word : command) ask.add_cmd(word);
    ask.set_timeout(whole_seconds(limit));
    run(limit + config_.look_limit, &runtime_stub::PrepareAsyncExecSync, std::move(ask), std::move(then),
        [](const pb::ExecSyncResponse& got) { return exec_result{got.exit_code(), got.stdout(), got.stderr()}; });
  }
  void exec(const std::string& id, const std::vector<std::string>& command, const stream_wish& with, done<std::string> then) override {
    pb::ExecRequest ask;
    ask.set_container_id(id);
    for (const auto& word : command) ask.add_cmd(word);
    fill_wish(ask, with);
    run(config_.look_limit, &runtime_stub::PrepareAsyncExec, std::move(ask), std::move(then), [](const pb::ExecResponse& got) { return got.url(); });
  }
  void attach(const std::string& id, const stream_wish& with, done<std::string> then) override {
    pb::AttachRequest ask;
    ask.set_container_id(id);
    fill_wish(ask, with);
    run(config_.look_limit, &runtime_stub::PrepareAsyncAttach, std::move(ask), std::move(then), [](const pb::AttachResponse& got) { return got.url(); });
  }
  void port_forward(const std::string& sandbox_id, done<std::string> then) override {
    pb::PortForwardRequest ask;
    ask.set_pod_sandbox_id(sandbox_id);
    run(config_.look_limit, &runtime_stub::PrepareAsyncPortForward, std::move(ask), std::move(then), [](const pb::PortForwardResponse& got) { return got.url(); });
  }

  void image_status(const std::string& name, done<image> then) override {
    pb::ImageStatusRequest ask;
    ask.mutable_image()->set_image(name);
    // An image that is not there is an answer without an image.
    run(config_.look_limit, &image_stub::PrepareAsyncImageStatus, std::move(ask), done<std::optional<image>>([then = std::move(then), name](result<std::optional<image>> got) {
          if (!got.ok()) return then(got.why());
          if (!*got) return then(fail(errc::not_found, "image \"" + name + "\" is not there"));
          then(std::move(**got));
        }),
        [](const pb::ImageStatusResponse& got) { return got.has_image() ? std::optional<image>(to_image(got.image())) : std::nullopt; });
  }
  void pull_image(const std::string& name, const registry_login& with, done<std::string> then) override {
    pb::PullImageRequest ask;
    ask.mutable_image()->set_image(name);
    if (!with.user.empty() || !with.token.empty()) {
      ask.mutable_auth()->set_server_address(with.server);
      ask.mutable_auth()->set_username(with.user);
      ask.mutable_auth()->set_password(std::string(with.password.reveal()));
      ask.mutable_auth()->set_identity_token(std::string(with.token.reveal()));
    }
    run(config_.pull_limit, &image_stub::PrepareAsyncPullImage, std::move(ask), std::move(then), [](const pb::PullImageResponse& got) { return got.image_ref(); });
  }
  void list_images(done<std::vector<image>> then) override {
    run(config_.look_limit, &image_stub::PrepareAsyncListImages, pb::ListImagesRequest(), std::move(then), [](const pb::ListImagesResponse& got) {
      std::vector<image> out;
      for (const auto& one : got.images()) out.push_back(to_image(one));
      return out;
    });
  }
  void remove_image(const std::string& id, done<nothing> then) override {
    pb::RemoveImageRequest ask;
    ask.mutable_image()->set_image(id);
    run(config_.act_limit, &image_stub::PrepareAsyncRemoveImage, std::move(ask), absent_is_fine(std::move(then)), [](const auto&) { return nothing{}; });
  }
  void image_disk(done<disk_use> then) override {
    run(config_.look_limit, &image_stub::PrepareAsyncImageFsInfo, pb::ImageFsInfoRequest(), std::move(then), [](const pb::ImageFsInfoResponse& got) {
      if (got.image_filesystems().empty()) return disk_use{};
      const auto& one = got.image_filesystems(0);
      return disk_use{one.fs_id().mountpoint(), one.used_bytes().value(), one.inodes_used().value()};
    });
  }
  void container_usage(const label_map& having, done<std::vector<usage>> then) override {
    pb::ListContainerStatsRequest ask;
    fill(*ask.mutable_filter()->mutable_label_selector(), having);
    run(config_.look_limit, &runtime_stub::PrepareAsyncListContainerStats, std::move(ask), std::move(then), [](const pb::ListContainerStatsResponse& got) {
      std::vector<usage> out;
      for (const auto& one : got.stats()) out.push_back(to_usage(one));
      return out;
    });
  }

 private:
  using runtime_stub = pb::RuntimeService::Stub;
  using image_stub = pb::ImageService::Stub;

  template <class Ask>
  static void fill_wish(Ask& to, const stream_wish& with) {
    to.set_stdin(with.in);
    to.set_stdout(with.out);
    to.set_stderr(with.err && !with.terminal);   // a terminal has one output
    to.set_tty(with.terminal);
  }
  static done<nothing> absent_is_fine(done<nothing> then) {
    return [then = std::move(then)](result<nothing> got) {
      if (!got.ok() && got.code() == errc::not_found) return then(nothing{});
      then(std::move(got));
    };
  }
  runtime_stub* stub(const runtime_stub*) { return runtimes_.get(); }
  image_stub* stub(const image_stub*) { return images_.get(); }

  /// Empty when there is a channel to somebody who listens.
  std::string connect() {
    if (channel_) return {};
    if (auto why = trouble_at(config_.socket); !why.empty()) return why;
    rpc::channel_options with;
    with.ping_every = std::chrono::hours(1);   // a local socket tells of its end by itself
    auto made = rpc::make_channel("unix://" + config_.socket, with);
    if (!made.ok()) return made.why().note;
    channel_ = std::move(*made);
    runtimes_ = pb::RuntimeService::NewStub(channel_);
    images_ = pb::ImageService::NewStub(channel_);
    return {};
  }

  template <class Stub, class Reply, class Ask, class T, class Convert>
  void run(duration limit, std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>> (Stub::*method)(grpc::ClientContext*, const Ask&, grpc::CompletionQueue*),
           Ask ask, done<T> then, Convert convert) {
    struct flight {
      grpc::ClientContext context;
      grpc::Status status;
      Reply reply;
      std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>> reader;
    };
    loop_.post([this, limit, method, ask = std::move(ask), then = std::move(then), convert]() mutable {
      if (auto why = connect(); !why.empty()) return then(fail(errc::unavailable, std::move(why)));
      auto one = std::make_shared<flight>();
      one->context.set_deadline(rpc::timespan(limit));
      flying_.insert(&one->context);
      one->reader = (stub(static_cast<const Stub*>(nullptr))->*method)(&one->context, ask, loop_.queue());
      one->reader->StartCall();
      void* const tag = loop_.expect([this, one, then = std::move(then), convert](bool) {
        flying_.erase(&one->context);
        if (ended_) return;
        if (one->status.error_code() == grpc::StatusCode::UNAVAILABLE) forget_channel();
        if (!one->status.ok()) return then(to_error(one->status));
        then(convert(one->reply));
      });
      one->reader->Finish(&one->reply, &one->status, tag);
    });
  }
  void forget_channel() {
    channel_.reset();
    runtimes_.reset();
    images_.reset();
  }

  const client_config config_;
  bool ended_ = false;
  std::set<grpc::ClientContext*> flying_;      // only gone through, to cancel all
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<runtime_stub> runtimes_;
  std::unique_ptr<image_stub> images_;
  rpc::loop loop_;                             // last: its thread uses the rest
};

}  // namespace

std::unique_ptr<runtime> make_client(client_config config) { return std::make_unique<client>(std::move(config)); }

}  // namespace troupe::net::cri
