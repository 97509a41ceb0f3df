#include "tests/harness/servers/etcd_child.hpp"


namespace troupe::harness {
namespace {

using storage::sim::etcd_group;
constexpr std::size_t lines_max = 20;

class child final : public net::process {
 public:
  child(etcd_group& of, etcd_group::run_id which) : of_(of), which_(which) {}
  ~child() override { of_.let_go(which_); }
  std::int64_t pid() const override { return static_cast<std::int64_t>(which_); }
  void signal(int number) override { of_.signal(which_, number); }

 private:
  etcd_group& of_;
  etcd_group::run_id which_;
};

class starter final : public net::process_starter {
 public:
  starter(etcd_group& group, std::string host, net::files& disk) : group_(group), host_(std::move(host)), disk_(disk) {}

  result<std::unique_ptr<net::process>> start(net::process_order what, line on_line, ended on_end) override {
    if (what.arguments.at(0) != "etcd") return fail(errc::not_found, "there is no program " + what.arguments.at(0));
    const auto flag = [&](const std::string& name) {
      for (const auto& one : what.arguments)
        if (one.starts_with("--" + name + "=")) return one.substr(name.size() + 3);
      return std::string();
    };
    const auto log = flag("data-dir") + "/member/wal/0.wal";
    storage::sim::member_order order{host_, flag("name"), flag("initial-advertise-peer-urls"), flag("advertise-client-urls"), flag("initial-cluster"),
                                     flag("initial-cluster-state") == "new", {}};
    if (const auto kept = disk_.read(log); kept.ok()) order.kept = *kept;
    struct ears { line on_line; ended on_end; std::vector<std::string> last; };
    auto heard = std::make_shared<ears>(ears{std::move(on_line), std::move(on_end), {}});
    storage::sim::member_life life;
    life.keep = [disk = &disk_, log](const std::string& data) {
      // A simulated disk takes every write; that it is full is the group's to know.
      static_cast<void>(disk->write(log, data, 0600));
    };
    life.say = [heard](std::string text) {
      if (heard->last.size() < lines_max) heard->last.push_back(text);
      heard->on_line(std::move(text));
    };
    life.end = [heard](int status, int signal) { heard->on_end({status, signal, heard->last}); };
    return std::unique_ptr<net::process>(std::make_unique<child>(group_, group_.start(std::move(order), std::move(life))));
  }

 private:
  etcd_group& group_;
  std::string host_;
  net::files& disk_;
};

}  // namespace

std::unique_ptr<net::process_starter> make_etcd_child(etcd_group& group, std::string host, net::files& disk) {
  return std::make_unique<starter>(group, std::move(host), disk);
}

}  // namespace troupe::harness
