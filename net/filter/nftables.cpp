#include <linux/capability.h>
#include <malloc.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "net/filter/flows.hpp"
#include "net/filter/generation.hpp"
#include "net/filter/real.hpp"

namespace troupe::net::real {
namespace {

/// The library's context: its socket, and what it has read of the kernel's rules, which it reads anew whenever anybody has
/// changed them. Kept from call to call, because closing that socket waits for the kernel to tidy up (ten milliseconds);
/// but not after a large text, which leaves megabytes behind.
class context {
 public:
  context() : it_(nft_ctx_new(NFT_CTX_DEFAULT)) {
    if (!it_) return;
    nft_ctx_buffer_output(it_);
    nft_ctx_buffer_error(it_);
  }
  ~context() {
    if (it_) nft_ctx_free(it_);
  }
  context(const context&) = delete;

  /// The error's first line; empty when all is well.
  std::string run(const std::string& text) {
    if (!it_) return "the library gives no context";
    if (nft_run_cmd_from_buffer(it_, text.c_str()) == 0) return {};
    std::string why = nft_ctx_get_error_buffer(it_);
    why.resize(std::min(why.find('\n'), why.size()));
    return why.empty() ? "nft says nothing more" : why;
  }

 private:
  nft_ctx* it_;
};

constexpr std::size_t large_text_bytes = 64 * 1024;

/// A socket with a name that the kernel keeps for each network namespace, and only while its holder lives.
class namesake {
 public:
  namesake() = default;
  ~namesake() {
    if (fd_ >= 0) ::close(fd_);
  }
  namesake(const namesake&) = delete;
  bool take() {
    if (fd_ >= 0) return true;
    constexpr std::string_view name("\0troupe-keeps-the-rules", 23);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    name.copy(at.sun_path, name.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) != 0) return ::close(fd), false;
    fd_ = fd;
    return true;
  }

 private:
  int fd_ = -1;
};

class nftables final : public packet_filter {
 public:
  result<void> claim() override {
    return name_.take() ? result<void>() : fail(errc::already_exists, "another node of this machine keeps the rules of its network");
  }

  result<void> apply(std::string_view commands) override {
    const auto why = run(std::string(commands));
    if (commands.size() > large_text_bytes) {
      kept_.reset();
      malloc_trim(0);
    }
    if (why.empty()) return {};
    if (why.find("Operation not permitted") != why.npos) return fail(errc::forbidden, why);
    return fail(errc::invalid, why);
  }

  result<bool> has_element(const std::string& table, const std::string& set, const std::string& element) override {
    // Who only looks has nothing to write for a while: the context would hold 700 KiB meanwhile. While nobody has changed
    // anything since it was last found, it is there, and the library with its pages is not needed either.
    kept_.reset();
    const auto generation = rules_generation();
    const auto what = table + " " + set + " { " + element + " }";
    if (generation.ok() && found_ == std::pair(*generation, what)) return true;
    const auto why = run("get element ip " + what + "\n");
    kept_.reset();
    found_.reset();
    if (why.find("Operation not permitted") != why.npos) return fail(errc::forbidden, why);
    if (why.empty() && generation.ok()) found_.emplace(*generation, what);
    return why.empty();
  }

  result<void> forget_udp(const std::vector<endpoint>& replying, const std::vector<endpoint>& asked) override {
    return forget_udp_flows(replying, asked);
  }

 private:
  std::string run(const std::string& text) {
    if (!kept_) kept_ = std::make_unique<context>();
    return kept_->run(text);
  }
  std::unique_ptr<context> kept_;
  std::optional<std::pair<std::uint32_t, std::string>> found_;   // an element, and the rules' generation when it was there
  namesake name_;
};

}  // namespace

std::unique_ptr<packet_filter> make_packet_filter() { return std::make_unique<nftables>(); }

bool may_change_network() {
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &head, data) != 0) return false;
  return (data[0].effective & (1u << CAP_NET_ADMIN)) != 0;
}

}  // namespace troupe::net::real
