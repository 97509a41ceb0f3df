// What the container runtime can be asked, as values, and what it answers. Pure; one type of each, so that whoever plans can
// name an act before anybody does it.
#pragma once
#include <variant>

#include "net/cri/values.hpp"

namespace troupe::cri {

namespace port = net::cri;

struct ask_version {};
struct ask_standing {};
struct run_sandbox { port::sandbox_config what; };
struct stop_sandbox { std::string id; };
struct remove_sandbox { std::string id; };
struct create_container { std::string sandbox; port::container_config what; port::sandbox_config within; };
struct start_container { std::string id; };
struct stop_container { std::string id; duration grace{}; };
struct remove_container { std::string id; };
struct look_at_pod { std::string uid; };
struct list_all {};                                    ///< Every pod's sandboxes and containers, without statuses.
struct exec_sync { std::string id; std::vector<std::string> command; duration limit{}; };
struct open_exec { std::string id; std::vector<std::string> command; port::stream_wish with; };
struct open_attach { std::string id; port::stream_wish with; };
struct open_forward { std::string sandbox; };
struct reopen_log { std::string id; };
struct find_image { std::string name; };
struct pull_image { std::string name; port::registry_login with; };
struct list_images {};
struct remove_image { std::string id; };
struct ask_disk {};
struct ask_usage {};
using request = std::variant<ask_version, ask_standing, run_sandbox, stop_sandbox, remove_sandbox, create_container, start_container, stop_container,
                             remove_container, look_at_pod, list_all, exec_sync, open_exec, open_attach, open_forward, find_image, pull_image,
                             list_images, remove_image, ask_disk, ask_usage, reopen_log>;

using everything = port::pod_view;
using reply = std::variant<port::nothing, std::string, port::version_info, port::standing, port::pod_view, port::exec_result, port::image,
                           std::vector<port::image>, port::disk_use, std::vector<port::usage>>;

}  // namespace troupe::cri
