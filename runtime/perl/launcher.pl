#!/usr/bin/env perl
#
# launcher.pl [FILE [MAIN]] - keep a Perl function loaded and answer one JSON line per activation.
#
# Lines come in on descriptor 0 and answers leave on descriptor 1; ../README.md has the protocol.
# The function gets the argument as a reference, with decoded texts, and returns one. What it prints
# to STDOUT and STDERR is text, written as UTF-8. JSON::XS is used if it is installed.

package Whiskloop::Launcher;

use strict;
use warnings;
use Cwd ();
use Fcntl qw(F_DUPFD F_GETFL F_SETFD FD_CLOEXEC O_ACCMODE O_RDONLY);
use IO::Handle;
use POSIX ();

# Debian's perl-base, which every Debian has, comes without these modules.
BEGIN {
    if (!eval { require Encode; eval { require JSON::XS } || require JSON::PP }) {
        print STDERR $@,
            "this Perl lacks modules; it needs Perl 5.14 or newer with JSON::PP (Debian package perl)\n";
        exit 1;
    }
}

my $PIPELINE = 64;          # lines that may be written ahead of the answers
my $READ_BYTES = 65536;
my $KEPT_FD_MIN = 100;      # our own descriptors are above this: code may expect low numbers
my $DEPTH_MAX = 2048;       # the proxy allows 1024

# Read by Perl, or by a library that it uses, only while the process starts.
my $READ_AT_START = qr/^(?:PERL|LD_|LC_|LANG|MALLOC_|GLIBC_)/;

my $json = ($INC{'JSON/XS.pm'} ? 'JSON::XS' : 'JSON::PP')
    ->new->utf8->allow_nonref->max_depth($DEPTH_MAX);

my ($lines, $answers, $unread, @looked_at);
my ($sends_parts, $n_parts, @parts);
my $pid = $$;    # ours
my $own_folder = ''; # the action's folder; answers must not contain it, because it differs at each start
my $read_folder; # the same as decoded text; undef if it has ASCII characters only
my $number = 0;  # of the last line handed out, not counting control lines
my %cancelled;   # numbers of lines that nobody waits for
my @ahead;       # lines that were read while an activation ran
my $AHEAD_MAX = 256; # most lines in @ahead; the proxy writes no more than $PIPELINE
my $LIST_MAX = 64 << 20; # most bytes of parts that are kept in a shell

# A copy of a descriptor that programs do not inherit.
sub keep {
    my ($from, $mode) = @_;
    my $fd = fcntl($from, F_DUPFD, $KEPT_FD_MIN) || fcntl($from, F_DUPFD, 4); # for a low limit on open files
    open(my $handle, $mode, $fd) or die "cannot copy a descriptor: $!\n";
    fcntl($handle, F_SETFD, FD_CLOEXEC);
    return $handle;
}

sub is_writable {
    my ($fd) = @_;
    open(my $handle, '>&=', $fd) or return 0;
    my $flags = fcntl($handle, F_GETFL, 0);
    push @looked_at, $handle; # kept, because closing the handle would close the descriptor
    return defined $flags && ($flags & O_ACCMODE) != O_RDONLY;
}

# The user's STDIN is empty, and STDOUT is the log: descriptor 3, or 2 where there is no 3.
sub open_logs {
    my $has_3 = is_writable(3);
    open(my $null, '<', '/dev/null') or die "cannot open /dev/null: $!\n";
    POSIX::dup2(fileno($null), 0);
    POSIX::dup2($has_3 ? 3 : 2, 1);
    POSIX::close(3) if $has_3;
    binmode($_, ':encoding(UTF-8)') for *STDOUT, *STDERR;
    STDOUT->autoflush(1);
    STDERR->autoflush(1);
}

# Whether a line is a control line, not a request. Remembers what it cancels.
sub is_control {
    return 0 if !$sends_parts || $_[0] !~ /\Acancel ([0-9]+)\n\z/;
    $cancelled{$1} = 1 if $1 >= $number;
    return 1;
}

# Read the available input without waiting. Returns whether nobody waits for the running activation.
sub is_cancelled {
    my $wanted = '';
    vec($wanted, fileno($lines), 1) = 1;
    do {
        while ((my $end = index($unread, "\n")) >= 0) {
            my $line = substr($unread, 0, $end + 1, '');
            push @ahead, $line if !is_control($line);
        }
    } while (@ahead < $AHEAD_MAX && select(my $ready = $wanted, undef, undef, 0) > 0
        && sysread($lines, $unread, $READ_BYTES, length $unread));
    return $cancelled{$number};
}

# The next request; undef at the end.
sub next_request {
    delete $cancelled{$number++};
    while (1) {
        my $line = @ahead ? shift @ahead : next_line();
        return $line if !defined $line || !is_control($line);
    }
}

# The next line as bytes; undef at the end.
sub next_line {
    while (1) {
        my $end = index($unread, "\n");
        return substr($unread, 0, $end + 1, '') if $end >= 0;
        # Search only the new bytes for a newline: a long line is not searched again.
        my @pieces;
        while (1) {
            my $n = sysread($lines, my $piece, $READ_BYTES);
            next if !defined $n && $!{EINTR};
            if (!$n) { # in a shell the last line may lack a newline
                $unread .= join('', @pieces);
                return length $unread ? substr($unread, 0, length $unread, '') : undef;
            }
            push @pieces, $piece;
            last if index($piece, "\n") >= 0;
        }
        $unread .= join('', @pieces);
    }
}

sub answer {
    my ($text) = @_;
    exit 0 if $$ != $pid; # a child that the function has forked came back here
    $text .= "\n";
    for (my $at = 0; $at < length $text;) {
        my $n = syswrite($answers, $text, length($text) - $at, $at);
        next if !defined $n && $!{EINTR};
        POSIX::_exit(1) if !defined $n; # nobody reads the answers any more
        $at += $n;
    }
}

# A JSON value as the bytes of an environment variable; undef if no variable can hold it.
sub variable {
    my ($item) = @_;
    my $text = !defined $item ? '' : ref $item ? $json->encode($item)
        : Encode::encode('UTF-8', $item);
    return index($text, "\0") < 0 ? $text : undef;
}

# Keys that are always shown: the platform sends them, or the proxy from a client's headers.
my @PLATFORM = qw(namespace action_name action_version activation_id transaction_id deadline
    api_host api_key traceparent tracestate);
my %IS_PLATFORM = map { $_ => 1 } @PLATFORM;
my $OTHERS_MAX = 256; # most other keys shown: setting a variable takes longer the more there are
my $KEY_MAX = 1024;   # characters

# The keys of a request whose values become variables.
sub keys_to_show {
    my ($request) = @_;
    my @keys = grep { $_ ne 'value' && length $_ <= $KEY_MAX } keys %$request;
    return @keys if @keys <= $OTHERS_MAX;
    @keys = grep { !$IS_PLATFORM{$_} } @keys;
    return ((grep { exists $request->{$_} } @PLATFORM), splice(@keys, 0, $OTHERS_MAX));
}

my %before; # variable -> what it was before activations set it, or undef

# Show this activation's metadata as variables, and restore those of the last activation.
sub show {
    my ($request) = @_;
    for my $name (keys %before) {
        if (defined $before{$name}) { $ENV{$name} = $before{$name} } else { delete $ENV{$name} }
    }
    %before = ();
    for my $key (keys_to_show($request)) {
        my $name = Encode::encode('UTF-8', '__OW_' . uc $key);
        my $text = variable($request->{$key});
        next if $name =~ /[=\0]/ || !defined $text;
        $before{$name} = $ENV{$name} if !exists $before{$name};
        $ENV{$name} = $text;
    }
}

# Read an init line and set the variables in it.
sub wait_for_init {
    my $line = next_line();
    exit 0 if !defined $line;
    my ($path, $main, $restart);
    eval {
        my $init = $json->decode($line)->{init};
        ($path, $main) = ($init->{path}, $init->{main} || 'main');
        $path .= '/main.pl' if -d $path;
        -e $path or die "$path: $!\n";
        for my $name (grep { !/[=\0]/ && length } keys %{ $init->{env} || {} }) {
            my $text = variable($init->{env}{$name});
            next if !defined $text || defined $ENV{$name} && $ENV{$name} eq $text;
            $ENV{$name} = $text;
            $restart ||= $name =~ $READ_AT_START;
        }
        1;
    } or do {
        my $text = 'cannot use the init line, want {"init":{"path":FOLDER,"main":NAME,"env":{}}}: '
            . $@;
        print STDERR $text;
        answer($json->encode({ ok => JSON::PP::false(), error => $text }));
        exit 1;
    };
    if ($restart) { # in the action's folder: PERL5LIB may name a folder in it
        my @again = ($^X, Cwd::abs_path($0), Cwd::abs_path($path), $main);
        chdir $again[2] =~ s{/[^/]*\z}{/}r;
        exec { $^X } @again;
    }
    return ($path, $main);
}

# Perl's messages name a file by the bytes of its path, which STDERR would encode again as if each were
# a character.
sub readable {
    my ($message) = @_;
    $message =~ s/\Q$own_folder\E/$read_folder/g if defined $read_folder && !ref $message;
    return $message;
}

# Enter the file's folder, load it and return its functions, or exit with the reason.
sub load {
    my ($path, $name) = @_;
    my $file = Cwd::abs_path($path);
    if (!defined $file || !-f $file) {
        print STDERR "Cannot start action: no such file: $path\n";
        exit 1;
    }
    my ($folder, $base) = $file =~ m{\A(.*)/([^/]*)\z}s;
    $own_folder = $folder;
    my $text = $folder;
    if (utf8::decode($text) && $text ne $folder) {
        $read_folder = $text;
        $SIG{__WARN__} = sub { local ($,, $\); print STDERR readable($_[0]) };
    }
    chdir($folder eq '' ? '/' : $folder) or die "cannot enter $folder: $!\n";
    @ARGV = ();
    $0 = $file;
    local ($@, $!);
    package main; # so that the file defines its functions there, not in our package
    my %before = map { $_ => 1 } keys %main::;
    do $file;
    if ($@) {
        print STDERR Whiskloop::Launcher::readable($@);
        exit 1;
    }
    my @functions;
    for my $one (split /\s*,\s*/, $name, -1) {
        if (!defined &{"main::$one"}) {
            my @defined = grep { !$before{$_} && defined &{"main::$_"} } sort keys %main::;
            splice @defined, 8 if @defined > 8;
            print STDERR "Cannot start action: function '$one' was not found in $base",
                (@defined ? ', which defines: ' . join(', ', @defined) : ''), "\n";
            exit 1;
        }
        push @functions, [$one, \&{"main::$one"}];
    }
    return \@functions;
}

# Flushes both, because the user's code may have turned autoflush off.
sub flush_logs {
    STDOUT->flush;
    STDERR->flush;
}

# part VALUE, for the user's code: a part of the answer. Sent to the proxy at once; in a shell kept.
# Returns false once the client has left; later parts are dropped.
sub main::part {
    my $text = encode($_[0]);
    if (!$sends_parts) {
        die "a list of the parts is longer than $LIST_MAX bytes\n" if ($n_parts += length $text) > $LIST_MAX;
        push @parts, $text;
        return 1;
    }
    @parts = (''); # only shows that there were parts
    return 0 if $cancelled{$number};
    flush_logs();
    answer("+$text");
    return !is_cancelled();
}

# The function that the member `method` names, or the first one. Nothing: there is none of that name.
sub choose {
    my ($functions, $request) = @_;
    my $first = $functions->[0][1];
    return $first if @$functions < 2;
    my $method = delete $request->{method};
    return $first if !defined $method;
    for my $pair (@$functions) {
        return $pair->[1] if !ref $method && $pair->[0] eq $method;
    }
    return;
}

# Call the function and return its result. It runs in a loop of our own: outside of any loop of the
# function's, `next` and `last` would leave the loop that answers lines, and `redo` would call the
# function again.
sub call {
    my ($function, $value) = @_;
    my ($called, $returned, $answer);
    {
        last if $called++;
        $answer = $function->(defined $value ? $value : {});
        $returned = 1;
    }
    die "the function was left by next, last or redo, which stood in no loop\n" if !$returned;
    return $answer;
}

# Encode a value. Perl has numbers and characters that JSON lacks, such as halves of surrogate pairs
# and characters above U+10FFFF, and the encoder writes them all the same. Refuse them.
sub encode {
    my $text = $json->encode($_[0]);
    die "the result holds a character that JSON cannot tell\n" if $text =~ /\xed[\xa0-\xbf]|\xf4[\x90-\xbf]|[\xf5-\xff]/;
    die "the result holds a number that JSON cannot tell\n"
        if $text =~ /(?:\A|[:,\[])-?(?:nan|inf)/i && !eval { $json->decode($text); 1 };
    return $text;
}

sub activate {
    my ($functions, $line) = @_;
    my $request = eval { $json->decode($line) };
    return $json->encode({ error => "cannot read the line as JSON: $@" }) if $@;
    $request = {} if !defined $request;
    return '{"error":"cannot use the line: want a JSON object with a value"}'
        if ref $request ne 'HASH';
    my $method = $request->{method};
    my $function = choose($functions, $request);
    return $json->encode({ error => 'method not found: ' . $json->encode($method) . '; want '
            . join(', ', map { $_->[0] } @$functions) }) if !$function;
    @parts = ();
    $n_parts = 0;
    my $result = eval {
        show($request);
        my $answer = call($function, $request->{value});
        defined $answer || !@parts ? encode($answer)
            : $sends_parts ? '+' : '[' . join(',', @parts) . ']';
    };
    return $result if defined $result;
    my $thrown = $@;
    my $problem = eval { "$thrown" };
    $problem = 'an exception that cannot be told as text: ' . ref $thrown if !defined $problem;
    $problem =~ s/(?: at \Q${\__FILE__}\E line [0-9]+\.)?\n*\z//; # our file and line are not in the user's code
    # A reference has no text of its own, so encode what it refers to.
    my $told = (ref $thrown) =~ /\A(?:HASH|ARRAY)\z/ ? eval { encode($thrown) } : undef;
    local ($,, $\);
    print STDERR defined $told ? Encode::decode('UTF-8', $told) : readable($problem), "\n";
    return "{\"error\":$told}" if defined $told;
    $problem =~ s{(?<![\w./-])\Q$own_folder\E/}{}g if $own_folder ne '';
    return $json->encode({ error => length $problem ? $problem : 'unknown error' });
}

sub run {
    my $acknowledge = $ENV{__OW_WAIT_FOR_ACK};
    if (@ARGV > 2 || !@ARGV && !$acknowledge) {
        print STDERR "usage: launcher.pl FILE [MAIN]\n",
            "Reads one JSON line per activation and writes one JSON line per answer:\n",
            "    printf '{\"value\":{\"name\":\"Mike\"}}\\n' | launcher.pl hello.pl\n";
        exit 2;
    }
    require JSON::PP; # for its booleans, which both modules use
    $unread = '';
    $lines = keep(\*STDIN, '<&=');
    $answers = keep(\*STDOUT, '>&=');
    binmode($_) for $lines, $answers;
    my ($path, $main) = @ARGV ? @ARGV : wait_for_init();
    open_logs();
    my $functions = load($path, $main || 'main');
    $sends_parts = $acknowledge;
    answer("{\"ok\":true,\"pipeline\":$PIPELINE,\"parts\":true,\"control\":true}")
        if $acknowledge;
    while (defined(my $line = next_request())) {
        my $answer = activate($functions, $line);
        flush_logs();
        answer($answer);
    }
}

run();
