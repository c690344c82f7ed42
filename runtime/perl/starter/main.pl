use strict;
use warnings;

sub main {
    my ($args) = @_;
    my $name = $args->{name} // 'World';

    print "greeting $name\n";
    return { greeting => "Hello, $name!" };
}

1;
