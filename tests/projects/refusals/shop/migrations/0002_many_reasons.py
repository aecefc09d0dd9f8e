from django.db import migrations

from shop.models import Product as RealProduct


def forwards(apps, schema_editor):
    Product = apps.get_model("shop", "Product")
    Review = apps.get_model("shop", "Review")

    for product in Product.objects.all():
        product.stock = 0
        product.save()

    for product in Product.objects.all():
        product.slug = "unknown"
        product.save(update_fields=["slug"])

    for product in Product.objects.filter(stock=None):
        product.delete()

    for product in RealProduct.objects.all():
        product.stock = 0
        product.save()

    for review in Review.objects.all():
        if review.stars > 3:
            review.good = True
        else:
            review.good = False
        review.save()

    for review in Review.objects.all():
        review.stars = 5

    reviews = Review.objects.filter(stars=0)
    for review in reviews:
        review.stars = 1
        review.save()
    print([review.stars for review in reviews])

    for product in Product.objects.all():
        for review in product.reviews.all():
            print(review.stars)

    for review in Review.objects.all():  # migfix: ignore
        review.stars = 3
        review.save()

    worst = []
    for review in Review.objects.filter(stars=1):
        worst.append(review)

    for pk, stars in Review.objects.values_list("pk", "stars")[:10]:
        print(pk, stars)


def backwards(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT id FROM shop_product")
        for (pk,) in cursor.fetchall():
            print(pk, cursor.rowcount)
        cursor.execute("SELECT id FROM shop_review")
        for (pk,) in cursor.fetchmany(100):
            print(pk)


def never_called(apps, schema_editor):
    for review in apps.get_model("shop", "Review").objects.all():
        review.stars = 4
        review.save()


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
