"""Loops that only set fields: each becomes one query."""

from django.db import migrations


def forwards(apps, schema_editor):
    Writer = apps.get_model("blog", "Writer")
    BlogPost = apps.get_model("blog", "BlogPost")
    bob, _ = Writer.objects.get_or_create(name="Bob")
    sharon, _ = Writer.objects.get_or_create(name="Sharon")

    # Bob has left.
    for post in BlogPost.objects.filter(owner=bob):
        post.owner = sharon
        post.save()

    for post in BlogPost.objects.all():
        if post.published and post.views == 0:
            post.views = 1  # the author looked at it
            post.save()


class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
