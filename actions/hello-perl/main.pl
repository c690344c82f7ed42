# Greets whoever the argument names.

use strict;
use warnings;

sub main {
    my ($args) = @_;
    my $name = $args->{name} // 'World';
    return { greeting => "Hello, $name!" };
}

1;
