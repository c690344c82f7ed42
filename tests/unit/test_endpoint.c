/* place: how it is written, and what becomes of the file of a Unix socket. */

#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/util.h"
#include "folder.h"
#include "http/endpoint.h"

#define WAIT_MS 10000

static void an_address_with_a_port_is_taken(void **state)
{
    static const struct {
        const char *text;
        const char *address;
        uint16_t port;
    } cases[] = {
        {"127.0.0.1:9090", "127.0.0.1", 9090},
        {"0.0.0.0:0", "0.0.0.0", 0},
        {"0.0.0.0:65535", "0.0.0.0", 65535},
        {"[::1]:9090", "::1", 9090},
        {"[::]:1", "::", 1},
    };
    struct endpoint endpoint;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(endpoint_parse(&endpoint, "--x", cases[i].text, &err), 0);
        assert_string_equal(endpoint.path, "");
        assert_string_equal(endpoint.address, cases[i].address);
        assert_int_equal(endpoint.port, cases[i].port);
    }
}

static void anything_else_is_refused_with_what_is_wanted(void **state)
{
    static const char *const cases[] = {"",
                                        "9090",
                                        "127.0.0.1",
                                        "127.0.0.1:",
                                        "127.0.0.1:65536",
                                        ":9090",
                                        "localhost:1",
                                        "::1:9090",
                                        "[127.0.0.1]:1",
                                        "127.0.0.1:9090x",
                                        "[::1]",
                                        "[::1:9090",
                                        "127.0.0.1:-1",
                                        "unix:",
                                        "127.0.0.1:100000",
                                        "[]:1",
                                        "127.0.0.1 :80",
                                        "127.0.0.1:+1",
                                        "[]",
                                        "127.0.0.1:0x1",
                                        "/run/x",
                                        "UNIX:/run/x",
                                        "256.0.0.1:9090",
                                        "[::1]x:1",
                                        "127.0.0.1::1",
                                        "[::1%lo]:1",
                                        "http://[::1]:1"};
    struct endpoint endpoint;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (endpoint_parse(&endpoint, "--x", cases[i], &err) == 0)
            fail_msg("\"%s\" was taken", cases[i]);
        assert_int_equal(err.kind, ERR_REQUEST);
        assert_non_null(strstr(err.text, endpoint_is_unix(cases[i])
                                             ? "want unix:PATH"
                                             : "want ADDRESS:PORT, [IPV6]:PORT or unix:PATH"));
        assert_memory_equal(err.text, "--x=", 4);
    }
}

/* unix: and n letters, owned by the caller. */
static char *path_of(size_t n)
{
    char *text = xstrdup("unix:");

    text = xrealloc(text, 5 + n + 1);
    memset(text + 5, 'x', n);
    text[5 + n] = '\0';
    return text;
}

static void the_longest_path_that_the_system_takes_is_taken(void **state)
{
    auto_free char *longest = path_of(107);
    auto_free char *too_long = path_of(108);
    struct endpoint endpoint;
    struct err err;

    (void)state;
    assert_int_equal(endpoint_parse(&endpoint, "--x", longest, &err), 0);
    assert_string_equal(endpoint.path, longest + 5);
    assert_int_equal(endpoint_parse(&endpoint, "--x", too_long, &err), -1);
    assert_int_equal(err.kind, ERR_REQUEST);
    assert_non_null(strstr(err.text, "longer than 107 bytes"));
}

/* ---- listening ---- */

static void port_0_becomes_a_free_one(void **state)
{
    struct endpoint endpoint;
    struct err err;
    auto_fd int fd = -1;
    auto_fd int client = -1;

    (void)state;
    assert_int_equal(endpoint_parse(&endpoint, "--x", "127.0.0.1:0", &err), 0);
    fd = endpoint_listen(&endpoint, "--x", &err);
    assert_true(fd >= 0);
    assert_true(endpoint.port > 0);
    client = endpoint_connect(&endpoint, WAIT_MS);
    assert_true(client >= 0);
}

/* It counts as the container's memory: docs/framing.md. */
static void what_the_kernel_keeps_unsent_for_a_client_is_bounded(void **state)
{
    struct endpoint endpoint;
    struct err err;
    int bytes = 0;
    socklen_t n = sizeof(bytes);
    auto_fd int fd = -1, client = -1, accepted = -1;

    (void)state;
    assert_int_equal(endpoint_parse(&endpoint, "--x", "127.0.0.1:0", &err), 0);
    fd = endpoint_listen(&endpoint, "--x", &err);
    client = endpoint_connect(&endpoint, WAIT_MS);
    accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, &n), 0);
    assert_int_equal(bytes, 262144);
}

static void a_port_in_use_is_told(void **state)
{
    struct endpoint endpoint;
    struct err err;
    auto_fd int fd = -1;

    (void)state;
    assert_int_equal(endpoint_parse(&endpoint, "--x", "127.0.0.1:0", &err), 0);
    fd = endpoint_listen(&endpoint, "--x", &err);
    assert_int_equal(endpoint_listen(&endpoint, "--x", &err), -1);
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_non_null(strstr(err.text, "127.0.0.1 port "));
    assert_non_null(strstr(err.text, "(--x): Address already in use"));
}

static void a_name_is_no_address(void **state)
{
    struct endpoint endpoint;
    struct err err;
    char longest[200];

    (void)state;
    memset(longest, '1', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(endpoint_tcp(&endpoint, "--x", "localhost", 80, &err), -1);
    assert_int_equal(err.kind, ERR_REQUEST);
    assert_string_equal(err.text, "--x=localhost: want a numeric IPv4 or IPv6 address");
    assert_int_equal(endpoint_tcp(&endpoint, "--x", longest, 80, &err), -1);
    assert_int_equal(endpoint_tcp(&endpoint, "--x", "::1", 80, &err), 0);
}

struct fixture {
    struct folder folder;
    struct endpoint endpoint; /* a Unix socket in it */
};

static int set_up(void **state)
{
    struct fixture *f = folder_set_up(state, sizeof(*f));
    struct err err;
    auto_free char *text = xasprintf("unix:%s/socket", f->folder.in);

    assert_int_equal(endpoint_parse(&f->endpoint, "--x", text, &err), 0);
    return 0;
}

static bool exists(const struct fixture *f)
{
    struct stat info;

    return lstat(f->endpoint.path, &info) == 0;
}

static void a_unix_socket_leaves_no_file(void **state)
{
    struct fixture *f = *state;
    struct err err;
    auto_fd int fd = endpoint_listen(&f->endpoint, "--x", &err);
    auto_fd int client = endpoint_connect(&f->endpoint, WAIT_MS);

    assert_true(fd >= 0);
    assert_true(client >= 0);
    assert_true(exists(f));
    endpoint_leave(&f->endpoint);
    assert_false(exists(f));
}

static void the_file_has_the_mode_and_the_owner_that_were_asked_for(void **state)
{
    struct fixture *f = *state;
    bool is_root = geteuid() == 0;
    auto_free char *text = xasprintf("unix:%s/so,cket,mode=0620,owner=%d:%d", f->folder.in,
                                     is_root ? 7 : (int)getuid(), is_root ? 8 : (int)getgid());
    struct endpoint endpoint;
    struct stat info;
    struct err err;
    mode_t mask = umask(0077);
    auto_fd int fd = -1;

    assert_int_equal(endpoint_parse(&endpoint, "--x", text, &err), 0);
    assert_non_null(strstr(endpoint.path, "/so,cket"));
    fd = endpoint_listen(&endpoint, "--x", &err);
    assert_true(fd >= 0);
    assert_int_equal(umask(mask), 0077); /* that of later files, and of the action, stays */
    assert_int_equal(lstat(endpoint.path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0620);
    assert_int_equal(info.st_uid, is_root ? 7 : getuid());
    assert_int_equal(info.st_gid, is_root ? 8 : getgid());
    endpoint_leave(&endpoint);
}

static void an_owner_that_cannot_be_set_leaves_no_file(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = xasprintf("unix:%s/socket,owner=0", f->folder.in);
    bool was_root = geteuid() == 0;
    struct endpoint endpoint;
    struct err err;

    assert_int_equal(endpoint_parse(&endpoint, "--x", text, &err), 0);
    if (was_root &&
        (chmod(f->folder.outer, 0755) < 0 || chmod(f->folder.in, 0777) < 0 || seteuid(65534) < 0))
        skip();
    assert_int_equal(endpoint_listen(&endpoint, "--x", &err), -1);
    assert_true(!was_root || seteuid(0) == 0);
    assert_int_equal(err.os, EPERM);
    assert_false(exists(f));
}

static void a_wrong_mode_or_owner_is_named(void **state)
{
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"unix:/a,mode=", "--x: mode=: want an octal number from 0 to 0777"},
        {"unix:/a,mode=8", "--x: mode=8: want an octal number from 0 to 0777"},
        {"unix:/a,mode=1777", "--x: mode=1777: want an octal number from 0 to 0777"},
        {"unix:/a,owner=", "--x: owner=: want USER or USER:GROUP, numbers or names"},
        {"unix:/a,owner=nobody-of-that-name",
         "--x: owner=nobody-of-that-name: /etc/passwd has no user \"nobody-of-that-name\"; a number "
         "needs no entry there"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct endpoint endpoint;
        struct err err;

        assert_int_equal(endpoint_parse(&endpoint, "--x", cases[i].text, &err), -1);
        assert_string_equal(err.text, cases[i].wanted);
    }
}

static void the_file_of_a_dead_process_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct err err;
    int dead = endpoint_listen(&f->endpoint, "--x", &err);
    auto_fd int fd = -1;
    auto_fd int client = -1;

    (void)close(dead); /* as its end does, without a word */
    assert_true(exists(f));
    fd = endpoint_listen(&f->endpoint, "--x", &err);
    assert_true(fd >= 0);
    client = endpoint_connect(&f->endpoint, WAIT_MS);
    assert_true(client >= 0);
}

static void a_socket_that_somebody_listens_on_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct err err;
    auto_fd int first = endpoint_listen(&f->endpoint, "--x", &err);
    auto_fd int client = -1;

    assert_int_equal(endpoint_listen(&f->endpoint, "--x", &err), -1);
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_int_equal(err.os, EADDRINUSE);
    assert_non_null(strstr(err.text, "/socket\" (--x): Address already in use"));
    client = endpoint_connect(&f->endpoint, WAIT_MS);
    assert_true(client >= 0);
    (void)first;
}

/* Its owner is too busy to take connections: nobody can connect, and yet it is not dead. */
static void a_socket_with_a_full_queue_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat info;
    struct err err;
    auto_fd int busy = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto_fd int first = -1;

    memcpy(address.sun_path, f->endpoint.path, sizeof(address.sun_path));
    assert_int_equal(bind(busy, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(busy, 0), 0);
    first = endpoint_connect(&f->endpoint, WAIT_MS); /* stands in the queue, which is full now */
    assert_true(first >= 0);
    assert_int_equal(endpoint_connect(&f->endpoint, 1), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(endpoint_listen(&f->endpoint, "--x", &err), -1);
    assert_int_equal(err.os, EADDRINUSE);
    assert_int_equal(lstat(f->endpoint.path, &info), 0);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct stat info;
    auto_fd int fd = open(f->endpoint.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(endpoint_listen(&f->endpoint, "--x", &err), -1);
    assert_int_equal(err.os, EADDRINUSE);
    assert_int_equal(lstat(f->endpoint.path, &info), 0);
    assert_true(S_ISREG(info.st_mode));
}

static void a_folder_that_is_missing_is_told(void **state)
{
    struct fixture *f = *state;
    struct err err;

    folder_remove(&f->folder);
    assert_int_equal(endpoint_listen(&f->endpoint, "--x", &err), -1);
    assert_int_equal(err.os, ENOENT);
    folder_make(&f->folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, folder_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_with_a_port_is_taken),
        cmocka_unit_test(anything_else_is_refused_with_what_is_wanted),
        cmocka_unit_test(the_longest_path_that_the_system_takes_is_taken),
        cmocka_unit_test(port_0_becomes_a_free_one),
        cmocka_unit_test(what_the_kernel_keeps_unsent_for_a_client_is_bounded),
        cmocka_unit_test(a_port_in_use_is_told),
        cmocka_unit_test(a_name_is_no_address),
        TEST(a_unix_socket_leaves_no_file),
        TEST(the_file_has_the_mode_and_the_owner_that_were_asked_for),
        TEST(an_owner_that_cannot_be_set_leaves_no_file),
        TEST(a_wrong_mode_or_owner_is_named),
        TEST(the_file_of_a_dead_process_is_replaced),
        TEST(a_socket_that_somebody_listens_on_is_left_alone),
        TEST(a_socket_with_a_full_queue_is_left_alone),
        TEST(a_file_that_is_no_socket_is_left_alone),
        TEST(a_folder_that_is_missing_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
