"""A loop that computes in Python stays a loop, but streams what it needs."""

from django.db import migrations
from django.utils.text import Truncator


def credit(title):
    return title.rpartition(" by ")[2]


def forwards(apps, schema_editor):
    BlogPost = apps.get_model("blog", "BlogPost")

    for post in BlogPost.objects.all():
        post.author = credit(post.title)
        post.save()

    for post in BlogPost.objects.filter(teaser=None):
        post.teaser = Truncator(post.body).words(30)
        post.save(update_fields=["teaser"])


class Migration(migrations.Migration):
    dependencies = [("blog", "0003_clean_drafts")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
