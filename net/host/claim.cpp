#include "net/host/claim.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "basis/log.hpp"
#include "net/host/real.hpp"

namespace troupe::net {

namespace {

class held : public folder_claim {
 public:
  explicit held(int number) : number_(number) {}
  held(const held&) = delete;
  held& operator=(const held&) = delete;
  ~held() override { close(number_); }
  int number() const { return number_; }

 private:
  int number_;
};

error unusable(const std::string& folder, const std::string& why) {
  return fail(errc::forbidden, "the data directory " + folder + " cannot be used: " + why + "; choose another with --data-dir");
}

std::string owner_of(int file) {
  std::array<char, 200> text{};
  const auto size = pread(file, text.data(), text.size(), 0);
  std::string out(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return out.substr(0, out.find('\n'));
}

}  // namespace

result<std::unique_ptr<folder_claim>> claim_folder(const std::string& folder, const std::string& as, wall_time now) {
  if (auto made = real::make_files()->make_folder(folder, 0700); !made.ok()) return unusable(folder, made.why().note);
  const auto path = folder + "/lock";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return unusable(folder, "opening " + path + ": " + std::strerror(errno));
  auto out = std::make_unique<held>(file);
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      const auto owner = owner_of(file);
      return fail(errc::already_exists, "the data directory " + folder + " is in use by " + (owner.empty() ? "another process" : owner) +
                                            ": stop that first, or choose another directory with --data-dir");
    }
    log::warn("host.claim_not_held", {{"folder", folder}, {"why", std::strerror(errno)}});
    return std::unique_ptr<folder_claim>(std::move(out));
  }
  const auto text = "process " + std::to_string(getpid()) + " (troupe " + as + ", since " + to_rfc3339(now) + ")\n";
  if (ftruncate(file, 0) != 0 || pwrite(file, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    log::debug("host.claim_unsigned", {{"file", path}, {"why", std::strerror(errno)}});   // a full disk: the lock holds all the same
  return std::unique_ptr<folder_claim>(std::move(out));
}

}  // namespace troupe::net
